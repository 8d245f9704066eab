/** Latents on a backend: what samplers compute with, and the conversions at the rim. */
import type { Backend, DeviceTensor, HostTensor } from '../backends/backend';
import type { LatentOps } from '../sampling/context';

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
