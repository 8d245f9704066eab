/** The parts of a Hugging Face `tokenizer.json` that the readers share. */
import { AppError } from '../base/errors';

export interface TokenizerJson {
  readonly root: Readonly<Record<string, unknown>>;
  readonly model: Readonly<Record<string, unknown>>;
  /** Tokens that are found in the text as they are. */
  readonly specials: ReadonlyMap<string, number>;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * @param type  what `model.type` must be
 * @throws AppError 'tokenizer/vocabulary'
 */
export function parseTokenizerJson(json: string, type: 'Unigram' | 'BPE'): TokenizerJson {
  const fail = (what: string, cause?: unknown): AppError =>
    new AppError('tokenizer/vocabulary', `tokenizer.json: ${what}; load the file of the text encoder again.`, {
      cause,
    });
  let root: unknown;
  try {
    root = JSON.parse(json);
  } catch (cause) {
    throw fail('the file is no JSON', cause);
  }
  const model = isRecord(root) ? root['model'] : undefined;
  if (!isRecord(root) || !isRecord(model) || (model['type'] ?? type) !== type) {
    throw fail(`a model of type ${type} is needed`);
  }
  const specials = new Map<string, number>();
  const added: unknown = root['added_tokens'];
  for (const token of Array.isArray(added) ? (added as unknown[]) : []) {
    if (isRecord(token) && typeof token['content'] === 'string' && typeof token['id'] === 'number') {
      if (token['content'] !== '') specials.set(token['content'], token['id']);
    }
  }
  return { root, model, specials };
}
