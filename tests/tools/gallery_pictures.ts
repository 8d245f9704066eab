/** Fills the gallery of an open page straight through the database, thousands at once. */
import type { Page } from 'playwright';

/** @param count pictures of 64 px, prompts `picture 0`… and seeds likewise; the page has to be loaded anew to show them */
export function fillGallery(page: Page, count: number): Promise<void> {
  return page.evaluate(async (count) => {
    const canvas = new OffscreenCanvas(64, 64);
    canvas.getContext('2d')?.fillRect(8, 8, 48, 48);
    const blob = await canvas.convertToBlob();
    const database = await new Promise<IDBDatabase>((done) => {
      const request = indexedDB.open('sketchforge');
      request.onsuccess = () => done(request.result);
    });
    const transaction = database.transaction(['gallery', 'thumbnails'], 'readwrite');
    for (let i = 0; i < count; i++) {
      const [id, prompt] = [`p${i}`, `picture ${i}`];
      const row = { id, createdAt: i, widthPx: 64, heightPx: 64, infotext: `${prompt}\nSteps: 2, Seed: ${i}` };
      transaction.objectStore('gallery').put({ ...row, prompt, model: 'm', seed: i, favourite: 0 });
      transaction.objectStore('thumbnails').put(blob, id);
    }
    await new Promise((done) => (transaction.oncomplete = done));
    database.close();
  }, count);
}
