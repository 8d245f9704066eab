/** A companion reached over this page's network: the one place where `fetch` meets `http_engine.ts`. */
import { AppError } from '../base/errors';
import type { CompanionModel } from './companion';
import { httpEngine, type CompanionAddress, type HttpEngine } from './http_engine';

/** One name for this page: its jobs replace each other, and leave those of other clients alone. */
const client = crypto.randomUUID();

/** The engine of the companion at an address; its status says where it computes. */
export function companionEngine(address: CompanionAddress): HttpEngine {
  const engine = httpEngine(address, client, (url, init) => fetch(url, init));
  const status = async () => {
    const answer = await engine.status();
    return { ...answer, reasonDetail: new URL(address.url).host };
  };
  return { ...engine, status, start: status };
}

/**
 * Makes sure that an address is a companion's and its token right.
 * @returns the models in its folders
 * @throws AppError 'companion/lost', 'companion/refused'
 */
export async function probeCompanion(address: CompanionAddress): Promise<readonly CompanionModel[]> {
  const engine = httpEngine(address, client, (url, init) => fetch(url, init));
  const hello: unknown = await engine.hello();
  if (typeof hello !== 'object' || hello === null || !('app' in hello) || hello.app !== 'sketchforge') {
    throw new AppError(
      'companion/refused',
      `companion ${address.url}: something else answers there; check the address.`,
    );
  }
  return engine.models();
}
