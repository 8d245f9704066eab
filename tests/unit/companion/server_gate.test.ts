/** What strangers cannot do to the companion: names, origins, secrets, bodies, paths, slow and large requests. */
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCompanion } from '../../../src/companion/companion_server';
import type { RunningServer } from '../../../src/companion/server/http_server';
import { FakeEngine } from './fake_engine';

const TOKEN = 'unit-token-unit-token-unit-token-unit';
const fake = new FakeEngine();
const folder = mkdtempSync(join(tmpdir(), 'companion-'));
const logged: string[] = [];
let server: RunningServer;

beforeAll(async () => {
  const app = join(folder, 'app');
  mkdirSync(join(app, '_app'), { recursive: true });
  writeFileSync(join(app, 'index.html'), '<title>shell</title>');
  writeFileSync(join(app, '_app/code.js'), 'let x;');
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  symlinkSync(join(folder, 'secret.txt'), join(app, 'link.txt'));
  server = await startCompanion({
    engine: fake.engine,
    auth: { token: TOKEN },
    version: 'test',
    appDir: app,
    hosts: ['127.0.0.1'],
    origins: ['https://friend.example'],
    timeouts: { headersTimeout: 1000, requestTimeout: 1500 },
    log: (line) => logged.push(line),
  });
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** `fetch` sets Host and Origin by itself; a stranger's client does not. */
function send({ path = '/sdapi/v1/options', method = 'GET', headers = {}, body }: Sent) {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
    const host = `127.0.0.1:${server.port}`;
    const sent = httpRequest(
      { host: '127.0.0.1', port: server.port, path, method, setHost: false, headers: { Host: host, ...headers } },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += String(chunk)));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const authorised = { Authorization: `Bearer ${TOKEN}` };
const status = async (sent: Sent) => (await send(sent)).status;

describe('Host', () => {
  it('lets every own name through', async () => {
    for (const name of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST']) {
      expect(await status({ headers: { ...authorised, Host: `${name}:${server.port}` } }), name).toBe(200);
    }
  });
  it('refuses rebound names, other ports and other spellings', async () => {
    const port = server.port;
    for (const host of [
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `localhost.:${port}`,
      `127.0.0.1.nip.io:${port}`,
      `[::ffff:127.0.0.1]:${port}`,
      `0.0.0.0:${port}`,
      '',
    ]) {
      expect(await status({ headers: { ...authorised, Host: host } }), host).toBe(421);
      expect(await status({ path: '/', headers: { Host: host } }), `app ${host}`).toBe(421);
    }
  });
});

describe('Origin and Fetch Metadata', () => {
  it('refuses foreign and null origins on every method', async () => {
    for (const origin of [
      'https://evil.example',
      'null',
      `http://localhost:${server.port + 1}`,
      `https://localhost:${server.port}`,
    ]) {
      expect(await status({ headers: { ...authorised, Origin: origin } }), origin).toBe(403);
      const post = { method: 'POST', path: '/sdapi/v1/interrupt', headers: { ...authorised, Origin: origin } };
      expect(await status(post), origin).toBe(403);
    }
  });
  it('refuses cross-site requests without an origin, and lets the shell be opened from a link', async () => {
    expect(await status({ headers: { ...authorised, 'Sec-Fetch-Site': 'cross-site' } })).toBe(403);
    const link = await send({ path: '/', headers: { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' } });
    expect(link.status).toBe(200);
    expect(link.text).toContain('shell');
  });
  it('answers an allowed origin with CORS headers, and nobody else', async () => {
    const friend = await send({ headers: { ...authorised, Origin: 'https://friend.example' } });
    expect(friend.status).toBe(200);
    expect(friend.headers['access-control-allow-origin']).toBe('https://friend.example');
    expect(friend.headers['vary']).toBe('Origin');
    const asked = {
      method: 'OPTIONS',
      headers: { Origin: 'https://friend.example', 'Access-Control-Request-Method': 'POST' },
    };
    expect(await status(asked)).toBe(204);
    expect(await status({ method: 'OPTIONS', headers: { Origin: 'https://evil.example' } })).toBe(403);
    expect((await send({ headers: authorised })).headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('content types', () => {
  it('refuses what a foreign page can post unasked', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      undefined,
    ]) {
      const headers = { ...authorised, ...(type === undefined ? {} : { 'Content-Type': type }) };
      expect(
        await status({
          method: 'POST',
          path: '/sdapi/v1/options',
          headers: { ...headers, 'Content-Length': '2' },
          body: '{}',
        }),
        type,
      ).toBe(415);
    }
  });
});

describe('secrets', () => {
  it('answers nothing of the API without one', async () => {
    const paths = [
      '/sdapi/v1/options',
      '/sdapi/v1/nothing',
      '/internal/sysinfo',
      '/controlnet/model_list',
      '/v1/models',
    ];
    for (const path of paths) expect(await status({ path }), path).toBe(401);
    expect(await status({ path: '/v1/hello' })).toBe(200);
  });
  it('takes the token as bearer, and as a password for old clients', async () => {
    const basic = `Basic ${Buffer.from(`anyone:${TOKEN}`).toString('base64')}`;
    expect(await status({ headers: { Authorization: basic } })).toBe(200);
    for (const wrong of [
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      TOKEN,
      'Bearer ',
      'Basic !!!',
      `Basic ${Buffer.from('a:b').toString('base64')}`,
    ]) {
      expect([401, 429], wrong).toContain(await status({ headers: { Authorization: wrong } }));
    }
  });
  it('slows guessing down and still lets the owner in', async () => {
    let last = await send({ headers: { Authorization: 'Bearer guess' } });
    for (let i = 0; i < 8 && last.status !== 429; i++)
      last = await send({ headers: { Authorization: `Bearer guess${i}` } });
    expect(last.status).toBe(429);
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    expect(await status({ headers: authorised })).toBe(200);
  });
});

describe('bodies', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    send({
      method: 'POST',
      path: '/sdapi/v1/options',
      headers: { ...authorised, 'Content-Type': 'application/json', ...headers },
      body,
    });
  it('refuses JSON with traps', async () => {
    for (const body of [
      '{"__proto__": {"a": 1}}',
      '{"tiling": true, "tiling": false}',
      '['.repeat(40) + ']'.repeat(40),
      '{"a":',
      '\ud800',
      '{"a": NaN}',
      '[]',
      '"text"',
    ]) {
      expect((await post(body)).status, body.slice(0, 20)).toBe(422);
    }
  });
  it('refuses a body that is announced too large before reading it', async () => {
    const announced = {
      method: 'POST',
      path: '/sdapi/v1/options',
      headers: { ...authorised, 'Content-Type': 'application/json', 'Content-Length': String(2 ** 21) },
    };
    expect(await status({ ...announced, body: ' '.repeat(2 ** 21) }).catch(() => 413)).toBe(413);
  });
  it('measures a body that does not say its size', async () => {
    const chunked = post(`"${'a'.repeat(2 ** 20 + 10)}"`, { 'Transfer-Encoding': 'chunked' });
    expect(await chunked.then((answer) => answer.status).catch(() => 413)).toBe(413);
  });
  it('ends requests that come too slowly', async () => {
    const ended = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.write(`POST /sdapi/v1/options HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n`),
      );
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', () => resolve(text));
    });
    expect(ended).toMatch(/^(?:HTTP\/1.1 408|$)/);
  });
  it('refuses a flood of headers', async () => {
    const many = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`X-H${i}`, 'v'.repeat(60)]));
    expect(await status({ headers: { ...authorised, ...many } })).toBe(431);
  });
});

describe('files of the app', () => {
  it('have the headers that the app and its safety need', async () => {
    const { headers } = await send({ path: '/' });
    expect(headers).toMatchObject({
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "frame-ancestors 'none'",
    });
    expect((await send({ headers: authorised })).headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });
  it('stay inside their folder', async () => {
    for (const path of [
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/%2e%2e%2fsecret.txt',
      '/_app/..%2f..%2fsecret.txt',
      '/link.txt',
      '/..\\secret.txt',
      '/%00',
      '/%',
    ]) {
      const answer = await send({ path });
      expect([400, 403, 404], path).toContain(answer.status);
      expect(answer.text).not.toBe('secret');
    }
  });
  it('knows no other hosts and drives in paths', async () => {
    for (const path of ['//etc/passwd', '/etc/passwd']) expect((await send({ path })).text).toContain('shell');
  });
  it('routes of the app are its shell, missing assets are missing', async () => {
    expect((await send({ path: '/settings' })).text).toContain('shell');
    expect(await status({ path: '/_app/none.js' })).toBe(404);
    expect(await status({ path: '/', method: 'POST', headers: { 'Content-Type': 'application/json' } })).toBe(405);
  });
});

describe('what never goes over the network', () => {
  it('answers 501 to routes that stop the server or train, 405 to a wrong method', async () => {
    const post = { method: 'POST', headers: { ...authorised, 'Content-Type': 'application/json' }, body: '{}' };
    for (const path of ['server-kill', 'server-restart', 'server-stop', 'create/embedding', 'train/embedding']) {
      expect(await status({ ...post, path: `/sdapi/v1/${path}` }), path).toBe(501);
    }
    expect(await status({ path: '/sdapi/v1/txt2img', headers: authorised })).toBe(405);
  });
  it('tells nothing of this machine', async () => {
    const { text } = await send({ path: '/internal/sysinfo', headers: authorised });
    expect(Object.keys(JSON.parse(text) as object)).toEqual(['Platform', 'Version']);
  });
  it('logs no token, prompt or query', async () => {
    await send({
      method: 'POST',
      path: '/sdapi/v1/txt2img?x=secretquery',
      headers: { ...authorised, 'Content-Type': 'application/json' },
      body: '{"prompt": "secretprompt", "steps": 0}',
    });
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.join('\n')).not.toMatch(/secretquery|secretprompt|unit-token/);
  });
});
