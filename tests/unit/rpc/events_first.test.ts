/** Events arrive before the answer of their call, whatever order the ports have. */
import { expect, test } from 'vitest';
import { eventsFirst } from '../../../src/lib/rpc/events_first';

type Listen = (event: string) => unknown;

class Service {
  readonly #word = 'done';

  async draw(name: string, onEvent: Listen): Promise<string> {
    onEvent(`${name} 1`);
    await Promise.resolve();
    onEvent(`${name} 2`);
    return `${name} ${this.#word}`;
  }

  async fail(onEvent: Listen): Promise<never> {
    onEvent('failing');
    throw new Error('it failed');
  }
}

/** A port that delivers late, in order. */
function slowPort(): { log: string[]; listen: Listen } {
  const log: string[] = [];
  let queue = Promise.resolve();
  const listen: Listen = (event) =>
    (queue = queue.then(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(event);
    }));
  return { log, listen };
}

test('an answer waits for the events of its call', async () => {
  const { log, listen } = slowPort();
  log.push(await eventsFirst(new Service()).draw('a', listen));
  expect(log).toEqual(['a 1', 'a 2', 'a done']);
});

test('an error waits for them as well', async () => {
  const { log, listen } = slowPort();
  await eventsFirst(new Service())
    .fail(listen)
    .catch((error: unknown) => log.push(String(error)));
  expect(log).toEqual(['failing', 'Error: it failed']);
});

test('a listener that throws does not take the answer away', async () => {
  const answer = eventsFirst(new Service()).draw('a', () => Promise.reject(new Error('listener')));
  await expect(answer).resolves.toBe('a done');
});
