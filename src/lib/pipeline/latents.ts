/** Latents on a backend: what samplers compute with, and the conversions at the rim. */
import type { Backend, DeviceTensor, HostTensor } from '../backends/backend';
import type { LatentRules } from '../backends/latent_rules';
import type { LatentOps } from '../sampling/context';
import { rescaleGuided } from '../sampling/guidance/array_guidance';
import { softBlend } from './soft_inpaint';

/** Sampler operations over a backend's tensors; nothing is read back except for the adaptive samplers' error norm. */
export function deviceLatentOps(backend: Backend): LatentOps<DeviceTensor> {
  return {
    lincomb: (terms) => backend.lincomb(terms),
    async scaledError({ a, b, reference, atol, rtol }) {
      const [left, right, base] = await Promise.all([a, b, reference].map((tensor) => backend.download(tensor)));
      let sum = 0;
      const count = left?.data.length ?? 0;
      for (let i = 0; i < count; i++) {
        const x = left?.data[i] ?? 0;
        const scale = Math.max(atol, rtol * Math.max(Math.abs(x), Math.abs(base?.data[i] ?? 0)));
        sum += ((x - (right?.data[i] ?? 0)) / scale) ** 2;
      }
      return Math.sqrt(sum / count);
    },
    async isFinite(latent) {
      const { data } = await backend.download(latent);
      return data.every(Number.isFinite);
    },
    release(latents) {
      for (const latent of latents) latent.dispose();
    },
  };
}

/** A backend's own rules over whole latents, or the same on the host, at the price of reading latents back. */
export function latentRules(backend: Backend): LatentRules {
  return backend.latentRules ?? hostLatentRules(backend);
}

/** The values of tensors, in their order. */
export function readLatents<const T extends readonly DeviceTensor[]>(
  backend: Backend,
  tensors: T,
): Promise<{ -readonly [K in keyof T]: Float32Array<ArrayBuffer> }> {
  const values = tensors.map(async (tensor) => Float32Array.from((await backend.download(tensor)).data));
  // One for each tensor, which the type of `map` forgets.
  return Promise.all(values) as Promise<{ -readonly [K in keyof T]: Float32Array<ArrayBuffer> }>;
}

/** What every backend can do: download, compute in double precision, upload. */
export function hostLatentRules(backend: Backend): LatentRules {
  return {
    async rescaleGuidance({ x, cond, guided }, options) {
      const [xs, conds, guideds] = await readLatents(backend, [x, cond, guided]);
      const values = { x: xs, cond: conds, guided: guideds, batch: x.shape[0] ?? 1 };
      return backend.upload({ shape: x.shape, data: rescaleGuided(values, options) });
    },
    async softBlend({ init, painted, mask }, options) {
      const [inits, painteds, masks] = await readLatents(backend, [init, painted, mask]);
      const data = softBlend({ init: inits, painted: painteds, mask: masks }, painted.shape[1] ?? 1, options);
      return backend.upload({ shape: painted.shape, data });
    },
  };
}

/** Picture `index` of a batch as a batch of one. */
export function pickLatent(latents: HostTensor, index: number): HostTensor {
  const [, ...rest] = latents.shape;
  const count = rest.reduce((a, b) => a * b, 1);
  return { shape: [1, ...rest], data: latents.data.slice(index * count, (index + 1) * count) };
}

/** Latents `[1, C, h, w]` below each other. */
export function stackLatents(latents: readonly HostTensor[]): HostTensor {
  const [first] = latents;
  const each = first?.data.length ?? 0;
  const data = new Float32Array(each * latents.length);
  for (const [i, latent] of latents.entries()) data.set(latent.data, i * each);
  return { shape: [latents.length, ...(first?.shape.slice(1) ?? [])], data };
}
