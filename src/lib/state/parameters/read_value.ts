/** Values of parameters as generation parameters write them. Pure. */
import { choicesOf, type ParameterContext, type ParameterDef } from './parameter';
import type { ParameterValue } from './parameter_path';

/** The value that a text means, or undefined when it is no value of this parameter. */
export function readValue(def: ParameterDef, text: string, context: ParameterContext): ParameterValue | undefined {
  const plain = text.trim();
  switch (def.kind) {
    case 'number':
    case 'seed': {
      const value = Number(plain);
      if (plain === '' || !Number.isFinite(value)) return undefined;
      return def.kind === 'seed' || (value >= def.min && value <= def.max) ? value : undefined;
    }
    case 'flag':
      return /^(true|1|on)$/i.test(plain) ? true : /^(false|0|off)$/i.test(plain) ? false : undefined;
    case 'choice': {
      const same = (name: string | undefined) => name?.toLowerCase() === plain.toLowerCase();
      return choicesOf(def, context).find(({ id, label }) => same(id) || same(label))?.id;
    }
    case 'text':
      return text;
  }
  def satisfies never;
}
