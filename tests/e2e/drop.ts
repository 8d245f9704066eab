/** Files dropped onto the page as the system's file manager drops them: real files and folders, with their entries. */
import type { Page } from '@playwright/test';

/** @param paths absolute paths of files or folders */
export async function drop(page: Page, paths: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const place = { x: 640, y: 500, data: { items: [], files: [...paths], dragOperationsMask: 1 } };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, ...place });
  await session.detach();
}
