/** Files dropped onto the page as the system's file manager drops them: real files and folders, with their entries. */
import type { Page } from '@playwright/test';

/** A file dropped as a file manager does, made here. */
export async function dropBytes(page: Page, name: string, type: string, bytes: Uint8Array): Promise<void> {
  const transfer = await page.evaluateHandle(
    ({ name, type, base64 }) => {
      const data = new DataTransfer();
      const binary = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([binary], name, { type }));
      return data;
    },
    { name, type, base64: Buffer.from(bytes).toString('base64') },
  );
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
}

/** @param paths absolute paths of files or folders */
export async function drop(page: Page, paths: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const place = { x: 640, y: 500, data: { items: [], files: [...paths], dragOperationsMask: 1 } };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, ...place });
  await session.detach();
}
