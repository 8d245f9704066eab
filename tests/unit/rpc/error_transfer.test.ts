import * as Comlink from 'comlink';
import { afterAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { installErrorTransfer } from '../../../src/lib/rpc/error_transfer';

installErrorTransfer();
const { port1, port2 } = new MessageChannel();

const service = {
  fail(): void {
    throw new AppError('file/unreadable', 'model.gguf: gone; choose it again.', {
      details: { name: 'model.gguf', offset: 12 },
      cause: new AppError('storage/quota', 'full'),
    });
  },
  crash(): void {
    throw new RangeError('boom');
  },
};

describe('errors across a worker border', () => {
  Comlink.expose(service, port1);
  const remote = Comlink.wrap<typeof service>(port2);
  afterAll(() => {
    port1.close();
    port2.close();
  });

  it('keeps class, code, message, details and cause', async () => {
    const error: unknown = await remote.fail().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({
      code: 'file/unreadable',
      message: 'model.gguf: gone; choose it again.',
      details: { name: 'model.gguf', offset: 12 },
      cause: { code: 'storage/quota', message: 'full' },
    });
  });

  it('turns a foreign error into internal/unexpected with its name', async () => {
    const error: unknown = await remote.crash().catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'internal/unexpected', message: 'RangeError: boom' });
  });
});
