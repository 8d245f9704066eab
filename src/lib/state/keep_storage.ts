/**
 * Asks the browser once, by itself, not to evict what the user made: when there is first something to lose (a picture
 * kept, a stroke stored), which is also when browsers that weigh engagement, or show a question, say yes most readily.
 */
import { requestPersistence, storageUsage } from '../storage/usage';

let asked: Promise<void> | undefined;

/** Safe to call after every picture and stroke; asks the browser at most once a visit, never when it keeps already. */
export function keepStorage(): Promise<void> {
  asked ??= ask();
  return asked;
}

/** The user asks, by a button: may be refused now and granted later, so it is asked every time. */
export function askToKeep(): Promise<void> {
  asked = ask();
  return asked;
}

async function ask(): Promise<void> {
  const usage = await storageUsage();
  if (usage && !usage.persistent) await requestPersistence();
}
