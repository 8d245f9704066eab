/** Published ComfyUI graphs: what they say in plain sight must come out, and what does not map must be listed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { comfyui } from '../../../src/lib/infotext/dialects/comfyui';
import { readParameters, writeParameters } from '../../../src/lib/infotext/parameter_fields';
import { fixturePath } from './text_data';

interface Node {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

const folder = fixturePath('metadata/comfyui');
const files = folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith('.prompt.json'));

describe('ComfyUI graphs', () => {
  if (files.length === 0) it.skip('skipped: no graphs among the fixtures', () => undefined);
  it.each(files)('%s', (name) => {
    const prompt = readFileSync(join(folder!, name), 'utf8');
    const nodes = Object.values(JSON.parse(prompt) as Record<string, Node>).filter((node) => node.class_type);
    const reading = comfyui.read({
      container: 'png',
      widthPx: 8,
      heightPx: 8,
      texts: new Map([['prompt', prompt]]),
      problems: [],
    });
    expect(reading).toBeDefined();
    const { parameters, unmapped } = reading!;
    /** The value of an input that only one node writes down. */
    const only = (input: string): unknown => {
      const values = nodes.map(({ inputs }) => inputs[input]).filter((v) => v !== undefined && !Array.isArray(v));
      return values.length === 1 ? values[0] : undefined;
    };
    for (const [input, mine] of [
      ['steps', parameters.steps],
      ['cfg', parameters.cfgScale],
      ['sampler_name', parameters.sampler],
      ['scheduler', parameters.schedule],
      ['noise_seed', parameters.seed],
    ] as const) {
      const wanted = only(input);
      if (wanted !== undefined && reading!.passes?.length === 1) expect(mine, input).toBe(wanted);
    }
    for (const { class_type: kind, inputs } of nodes) {
      if (kind.startsWith('LoraLoader')) {
        const file = String(inputs['lora_name']).replace(/\.[^.]+$/, '');
        expect(parameters.prompt).toContain(`<lora:${file}:`);
      } else if (/ControlNet|IPAdapter|Upscale|Gligen|Hypernetwork|Mask/i.test(kind)) {
        expect(unmapped).toContain(kind);
      }
    }
    // Pictures of other programs come in as a text of the web UIs: nothing may be lost on that way.
    const again = readParameters(writeParameters(parameters));
    expect([again.seed, again.steps, again.sampler, again.emphasis]).toEqual([
      parameters.seed,
      parameters.steps,
      parameters.sampler,
      'ComfyUI',
    ]);
  });
});
