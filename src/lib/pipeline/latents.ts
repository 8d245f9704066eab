/** Latents on a backend: what samplers compute with, and the conversions at the rim. */
import type { Backend, DeviceTensor } from '../backends/backend';
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
