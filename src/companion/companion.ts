/** `npm run companion`: the app and the web UIs' API on this machine, computing outside the browser. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { AppError } from '../lib/base/errors';
import { TOKEN_FRAGMENT } from '../lib/rpc/companion';
import { runCommand, UsageError, type Command, type Flags, type Parsed } from './command_line';
import { startCompanion } from './companion_server';
import { startEngineThread } from './engine/engine_thread';
import { filesOf } from './engine/catalogue';
import { NODE_BACKENDS } from './node_backend';
import { readWhole } from './node_files';
import { newToken, tokenOfFile } from './server/auth';
import { readStyles } from './styles_file';

const projectRoot = resolve(import.meta.dirname, '../..');
/** Of A1111: clients have it as their default. */
const DEFAULT_PORT = 7860;

const flags = {
  models: {
    kind: 'list',
    value: 'FOLDER',
    about: 'model files: checkpoints, LoRAs, embeddings, upscalers, in any order',
  },
  host: {
    kind: 'text',
    default: '127.0.0.1',
    about: 'address to listen at; any but this machine needs --cert and --key',
  },
  port: {
    kind: 'number',
    default: DEFAULT_PORT,
    min: 1,
    max: 65_535,
    integer: true,
    about: 'port, or the next free one',
  },
  cert: { kind: 'text', value: 'FILE.pem', about: 'TLS certificate' },
  key: { kind: 'text', value: 'FILE.pem', about: "the certificate's key" },
  name: { kind: 'list', value: 'NAME', about: 'name under which other devices reach this one' },
  origin: { kind: 'list', value: 'URL', about: 'another site that may use the API, such as https://example.org' },
  'token-file': {
    kind: 'text',
    value: 'FILE',
    about: 'keeps the token from start to start; else every start has a new one',
  },
  'api-auth': { kind: 'text', value: 'USER:PASSWORD', about: 'a name and password for clients that know no tokens' },
  'no-token': { kind: 'switch', about: 'programs on this machine (not web pages) need no token' },
  output: { kind: 'text', value: 'FOLDER', about: 'where requests with save_images keep their pictures' },
  styles: { kind: 'text', value: 'FILE.csv', about: "styles.csv of the web UIs, for the requests' styles" },
  tokenizer: { kind: 'list', value: 'FILE.json', about: 'tokenizer.json of a T5 or Qwen text encoder' },
  'finish-jobs': { kind: 'switch', about: 'a job goes on when its client hangs up' },
  backend: { kind: 'choice', default: 'auto', choices: NODE_BACKENDS, about: 'what computes' },
  threads: { kind: 'number', default: 0, min: 0, max: 256, integer: true, about: 'threads; 0: all cores' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run companion -- [--models FOLDER] [options]',
  about:
    'Serves the app and /sdapi/v1 on this machine and computes here. Prints its address and token; Ctrl-C stops it.',
  flags,
};

void runCommand(command, async (options, _words, signal) => {
  const version = await appVersion();
  const access = await accessOf(options);
  const styles =
    options.styles === undefined ? [] : readStyles(new TextDecoder().decode(await readWhole(options.styles)));
  const appDir = resolve(projectRoot, 'build');
  const isBuilt = existsSync(resolve(appDir, 'index.html'));
  const engineThread = await startEngineThread(
    { backend: options.backend, threads: options.threads, folders: options.models, tokenizers: options.tokenizer },
    (error) => console.error(`${error.code}: ${error.message}`),
  );
  const { engine } = engineThread;
  const server = await startCompanion({
    engine,
    ...access,
    version,
    styles,
    port: options.port,
    furtherPorts: 20,
    appDir: isBuilt ? appDir : undefined,
    outputDir: options.output,
    finishWithoutClient: options['finish-jobs'],
    log: (line) => console.error(line),
    onError: (error) => console.error(error),
  });
  const catalogue = await engine.catalogue();
  const { backendLabel } = await engine.status();
  const [shown] = access.names.length > 0 ? access.names : ['localhost'];
  const address = `${access.tls ? 'https' : 'http'}://${shown}:${server.port}/`;
  console.log(`Sketchforge companion ${version}, computing with ${backendLabel}`);
  console.log(
    `app    ${isBuilt ? `${address}#${TOKEN_FRAGMENT}=${access.auth.token}` : 'is not built; run npm run build first'}`,
  );
  console.log(`API    ${address}sdapi/v1`);
  console.log(
    `token  ${access.auth.token}${options['token-file'] === undefined ? '' : ` (kept in ${options['token-file']})`}`,
  );
  console.log(`pages  of this address only${access.origins.map((origin) => `, ${origin}`).join('')}`);
  if (options['no-token']) console.log('open   programs on this machine need no token');
  console.log(
    `models ${filesOf(catalogue, 'model')
      .map(({ name }) => name)
      .join(', ')}`,
  );
  for (const { id, reason } of catalogue.skipped) console.log(`skipped ${id}: ${reason}`);
  console.log('Ctrl-C stops it.');
  await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
  await server.close();
  await engineThread.stop();
});

/** Who may reach it, from where. @throws UsageError, AppError 'file/unreadable', 'argument/invalid' */
async function accessOf(options: Parsed<typeof flags>) {
  const local = options.host === 'localhost' || options.host === '::1' || /^127(?:\.\d+){3}$/.test(options.host);
  if ((options.cert === undefined) !== (options.key === undefined))
    throw new UsageError('--cert and --key belong together');
  if (!local && options.cert === undefined) {
    throw new UsageError(
      `--host ${options.host} opens the companion to the network: it needs --cert and --key (TLS), so that nobody there reads your token and pictures, and browsers give the app its graphics card only over https`,
    );
  }
  if (!local && options['no-token'])
    throw new UsageError('--no-token is for this machine only, not for a --host on the network');
  const origins = options.origin.map((origin) => {
    if (URL.canParse(origin) && new URL(origin).origin !== 'null') return new URL(origin).origin;
    throw new UsageError(`--origin ${origin}: must be scheme and name, such as https://example.org`);
  });
  const [, user, password] = /^([^:]+):(.+)$/.exec(options['api-auth'] ?? '') ?? [];
  if (options['api-auth'] !== undefined && password === undefined)
    throw new UsageError('--api-auth: must be USER:PASSWORD');
  const read = async (path: string): Promise<string> => new TextDecoder().decode(await readWhole(path));
  const named = !local && isIP(options.host) !== 0 && !/^(?:0\.0\.0\.0|::)$/.test(options.host) ? [options.host] : [];
  const names = [...options.name, ...named.map((host) => (isIP(host) === 6 ? `[${host}]` : host))];
  if (!local && names.length === 0) {
    throw new UsageError(`--host ${options.host}: say with --name under which name other devices reach this one`);
  }
  return {
    hosts: options.host === '127.0.0.1' || options.host === 'localhost' ? ['127.0.0.1', '::1'] : [options.host],
    names,
    origins,
    tls:
      options.cert === undefined || options.key === undefined
        ? undefined
        : { cert: await read(options.cert), key: await read(options.key) },
    auth: {
      token: options['token-file'] === undefined ? newToken() : await tokenOfFile(options['token-file']),
      basic: user === undefined || password === undefined ? undefined : { user, password },
      open: options['no-token'],
    },
  };
}

async function appVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(resolve(projectRoot, 'package.json'), 'utf8')) as { version?: unknown };
  if (typeof version === 'string') return version;
  throw new AppError('internal/unexpected', 'package.json: has no version.');
}
