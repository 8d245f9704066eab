/** `npm run generate`: the main job from the command line. */
import { randomInt } from 'node:crypto';
import type { Backend, HostTensor } from '../lib/backends/backend';
import type { GenerateHost } from '../lib/pipeline/generate';
import { NetworkLibrary } from '../lib/pipeline/network_library';
import { runRequest } from '../lib/pipeline/run_request';
import { runCommand, type Command } from './command_line';
import { flags, type GenerateOptions } from './generate/flags';
import { readLatents, writeLatents } from './generate/latents';
import { OpenModels } from './generate/models';
import { progressBar } from './generate/progress_bar';
import { printCost, writePictures, writeReport, type Run } from './generate/report';
import { requestOf } from './generate/request';
import { networkPaths, readLora } from './network_flags';
import { readAsset } from './node_assets';
import { createNodeBackend } from './node_backend';
import { encodePicture } from './node_codecs';
import { assertWritable } from './node_files';
import { defaultModelFiles, defaultModelSettings } from './node_model';
import { openNetworks } from './node_networks';
import { paintText } from './plot/label_font';

const command: Command<typeof flags> = {
  usage: 'npm run generate -- --prompt "a red apple, 3d" --out apple.png [options]',
  about: 'Draws pictures with the built-in model or a model file of yours. The PNG carries its parameters.',
  flags,
};

void runCommand(command, async (options, _words, signal) => {
  for (const path of [options.out, options.json, options['save-latents']]) {
    if (path !== undefined) await assertWritable(path);
  }
  const backend = await createNodeBackend(options.backend, options.threads);
  try {
    const finals: HostTensor[] = [];
    const run = await draw(options, backend, { signal, onLatents: (latents) => finals.push(latents) });
    await writePictures(options.out, run);
    if (options['save-latents'] !== undefined && finals[0]) await writeLatents(options['save-latents'], finals[0]);
    printCost(run);
    if (options.json !== undefined) await writeReport(options.json, run);
  } finally {
    await backend.dispose();
  }
});

async function draw(
  options: GenerateOptions,
  backend: Backend,
  host: Pick<GenerateHost, 'signal' | 'onLatents'>,
): Promise<Run> {
  const startedAt = performance.now();
  const models = new OpenModels(backend, options.tokenizer);
  const memory = watchMemory();
  const networks = await openNetworks(networkPaths(options));
  try {
    const own = options.model.length > 0 ? {} : await defaultModelSettings();
    const model = await models.load(options.model.length > 0 ? options.model : await defaultModelFiles());
    const refiner = options.refiner.length > 0 ? await models.load(options.refiner) : undefined;
    const loadMs = performance.now() - startedAt;
    const request = await requestOf(options, { ...model.detected.defaults, ...own }, options.lora.map(readLora));
    const startNoise = options.latents === undefined ? undefined : await readLatents(options.latents);
    const bar = progressBar(options.quiet);
    const result = await runRequest(model, request, {
      ...host,
      randomSeed: () => randomInt(2 ** 32),
      encodePicture,
      paintText,
      readAsset,
      onEvent: bar.show,
      ...(await new NetworkLibrary(networks).partsFor([request.prompt, request.negativePrompt])),
      loadModel: (id) => (refiner && id === options.refiner[0] ? Promise.resolve(refiner) : models.load([id])),
      releaseModel: (other) => models.release(other),
      ...(startNoise ? { startNoise } : {}),
    });
    bar.end();
    const times = [{ stage: 'load' as const, ms: loadMs }, ...result.times];
    return { backend, model, request, result, times, peakRssBytes: memory.peakBytes() };
  } finally {
    memory.stop();
    await models.releaseAll();
    await networks.close();
  }
}

/** Most of the process's memory that was in use, looked at twenty times a second. */
function watchMemory(): { peakBytes: () => number; stop: () => void } {
  let peak = 0;
  const look = () => (peak = Math.max(peak, process.memoryUsage().rss));
  const timer = setInterval(look, 50);
  return { peakBytes: look, stop: () => clearInterval(timer) };
}
