/** The inspector reads headers only and never fails on a file that can be indexed. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openHttpSource } from '../../../src/companion/http_source';
import { inspectFiles } from '../../../src/companion/inspect/report';
import { reportLines } from '../../../src/companion/inspect/table';
import { openFileSet } from '../../../src/companion/node_file_set';
import { defaultModelFiles } from '../../../src/companion/node_model';
import type { ByteSource } from '../../../src/lib/base/byte_source';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { goldenGroup } from '../../golden/golden_dir';
import { CLIP_L, clipFile } from '../models/published';
import { stored } from '../models/synthetic';

const GIB = 2 ** 30;
const options = {
  limits: { maxBufferBytes: 2 * GIB, maxBindingBytes: 2 * GIB - 4, budgetBytes: 4 * GIB },
  measuredFlopsPerSecond: 1e12,
};

async function indexOf(path: string) {
  const set = await openFileSet(path);
  const read: number[] = [];
  const counted: ByteSource = {
    ...set.files.main,
    read: (offset, length, signal) => {
      read.push(length);
      return set.files.main.read(offset, length, signal);
    },
  };
  const index = await openTensorIndex({ ...set.files, main: counted });
  return { index, bytesRead: read.reduce((a, b) => a + b, 0), sizeBytes: set.files.main.sizeBytes, close: set.close };
}

function modelFiles(): string[] {
  const root = goldenGroup('models');
  if (root === undefined) return [];
  return readdirSync(root)
    .map((name) => join(root, name))
    .filter((folder) => statSync(folder).isDirectory())
    .flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => /\.(safetensors|gguf)$/.test(name) && !name.startsWith('golden'))
        .map((name) => join(folder, name)),
    );
}

describe('inspect', () => {
  it('says what the default model is and that it fits', async () => {
    const opened = await Promise.all((await defaultModelFiles()).map(indexOf));
    const report = inspectFiles(
      opened.map(({ index }) => index),
      options,
    );
    for (const { bytesRead, sizeBytes, close } of opened) {
      expect(bytesRead).toBeLessThan(sizeBytes / 4);
      await close();
    }
    expect(report.model?.missing).toEqual([]);
    expect(report.model?.unsupported).toEqual([]);
    expect(report.model?.sizes.map(({ verdict }) => verdict)).toEqual(['fits', 'fits', 'fits']);
    const [half, native, double] = report.model?.sizes ?? [];
    expect(native?.widthPx).toBe(2 * (half?.widthPx ?? 0));
    expect(double?.widthPx).toBe(2 * (native?.widthPx ?? 0));
    for (const file of report.files) expect(file.bytes).toBe(file.types.reduce((sum, { bytes }) => sum + bytes, 0));
    const text = reportLines(report).join('\n');
    expect(text).toContain('conv2d');
    expect(text).toContain('fits');
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('a LoRA, which has no plan of its own, is not called an incomplete model', () => {
    const layer = 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q';
    const tensors = [stored(`${layer}.lora_down.weight`, [4, 320]), stored(`${layer}.lora_up.weight`, [320, 4])];
    const lora: TensorIndex = {
      format: 'safetensors',
      name: 'ink.safetensors',
      tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
      metadata: new Map(),
    };
    const report = inspectFiles([lora], options);
    expect(report.files[0]?.kind).toBe('lora');
    expect(report.notes.join()).toContain('used beside one');
    const encoder = clipFile(CLIP_L, 'transformers');
    expect(inspectFiles([lora, encoder], options).notes.join()).toContain('No U-Net or transformer');
  });

  const files = modelFiles();
  it.runIf(files.length > 0)('golden models: every file gets a report', async () => {
    for (const path of files) {
      const { index, close } = await indexOf(path);
      const report = inspectFiles([index], { ...options, factors: [0.25] });
      await close();
      expect(report.files[0]?.kind, path).not.toBe('unknown');
      expect(report.model !== undefined || report.notes.length > 0, path).toBe(true);
      expect(reportLines(report).length).toBeGreaterThan(5);
    }
  });

  it('reads a served file by ranges', async () => {
    const [path = ''] = await defaultModelFiles();
    expect(existsSync(path)).toBe(true);
    const bytes = await readFile(path);
    let served = 0;
    const server = createServer((request, response) => {
      const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
      if (request.url === '/whole.safetensors' || first === undefined) {
        response.writeHead(200).end(bytes);
        return;
      }
      const part = bytes.subarray(Number(first), Number(last) + 1);
      served += part.byteLength;
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${bytes.byteLength}` }).end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const source = await openHttpSource(`${base}/a%20model.safetensors`);
      expect(source.name).toBe('a model.safetensors');
      expect(source.sizeBytes).toBe(bytes.byteLength);
      const index = await openTensorIndex(source);
      expect(index.tensors.size).toBeGreaterThan(0);
      expect(served).toBeLessThan(bytes.byteLength / 4);
      await expect(source.read(bytes.byteLength, 1)).rejects.toMatchObject({ code: 'file/out-of-bounds' });
      await expect(openHttpSource(`${base}/whole.safetensors`)).rejects.toMatchObject({ code: 'file/unreadable' });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
