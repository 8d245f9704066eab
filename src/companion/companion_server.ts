/** Joins engine, routes and server: what `npm run companion` runs and tests start in their own process. */
import { randomInt } from 'node:crypto';
import type { Style } from '../lib/prompt/styles';
import type { CompanionEngine } from './engine/companion_engine';
import { Desk, type DeskLimits } from './engine/desk';
import { remoteRoutes } from './remote/remote_routes';
import { PictureFolder } from './sdapi/picture_folder';
import { apiRoutes } from './sdapi/routes';
import { ApiState } from './sdapi/state';
import { Auth, type AuthOptions } from './server/auth';
import { startServer, type RunningServer, type ServerOptions } from './server/http_server';

export interface CompanionOptions extends Omit<ServerOptions, 'routes' | 'auth' | 'hosts' | 'port'> {
  readonly engine: CompanionEngine;
  readonly auth: AuthOptions;
  readonly version: string;
  readonly hosts?: readonly string[];
  /** 0 takes any free one. */
  readonly port?: number;
  readonly styles?: readonly Style[];
  /** Folder for pictures of requests with `save_images`. */
  readonly outputDir?: string | undefined;
  readonly finishWithoutClient?: boolean;
  readonly limits?: Partial<DeskLimits>;
  readonly randomSeed?: () => number;
}

/** Waiting jobs are dropped at a stop; the running one has this long to end. */
const DRAIN_MS = 30_000;

/** @throws AppError 'argument/invalid' when no port is free */
export async function startCompanion(options: CompanionOptions): Promise<RunningServer & { readonly desk: Desk }> {
  const desk = new Desk(options.engine, options.limits);
  const state = new ApiState({
    desk,
    styles: options.styles ?? [],
    randomSeed: options.randomSeed ?? (() => randomInt(2 ** 32)),
    pictures: options.outputDir === undefined ? undefined : new PictureFolder(options.outputDir),
    stopWithClient: options.finishWithoutClient !== true,
    version: options.version,
  });
  const server = await startServer({
    ...options,
    routes: [...apiRoutes(state), ...remoteRoutes(desk, options.version)],
    auth: new Auth(options.auth),
    hosts: options.hosts ?? ['127.0.0.1', '::1'],
    port: options.port ?? 0,
  });
  return {
    desk,
    port: server.port,
    close: async () => {
      desk.cancelAll();
      await Promise.race([desk.idle(), new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
      await server.close();
    },
  };
}
