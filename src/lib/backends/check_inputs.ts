/** Checks that every backend makes at its border, so that wrong inputs fail alike everywhere. */
import { AppError } from '../base/errors';
import { elementCount, formatShape, sameShape, type Shape } from '../base/shape';
import { valueOf, type Graph } from '../graph/ir';
import type { HostTensor } from './backend';

/** @throws AppError 'graph/shape' when axes are no positive whole numbers or do not multiply to the data's length */
export function checkHostTensor({ shape, data }: HostTensor): void {
  const whole = shape.every((size) => Number.isSafeInteger(size) && size >= 1);
  if (whole && elementCount(shape) === data.length) return;
  throw new AppError(
    'graph/shape',
    `upload: ${formatShape(shape)} must have positive whole axes and as many elements as the data, got ${data.length}.`,
    { details: { shape, length: data.length } },
  );
}

/**
 * The tensor of each graph input, by name. Tensors that the graph does not ask for are ignored, so that one set of
 * inputs can serve the parts of a pipeline.
 * @throws AppError 'graph/shape' when one is missing or has another shape
 */
export function matchInputs<T extends { readonly shape: Shape }>(
  graph: Graph,
  inputs: Readonly<Record<string, T>>,
): ReadonlyMap<string, T> {
  const matched = new Map<string, T>();
  for (const [name, id] of graph.inputs) {
    const { shape } = valueOf(graph, id);
    const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (!tensor || !sameShape(tensor.shape, shape)) {
      const found = tensor ? formatShape(tensor.shape) : 'nothing';
      throw new AppError('graph/shape', `${graph.name}: input "${name}" must be ${formatShape(shape)}, got ${found}.`, {
        details: { graph: graph.name, input: name, expected: shape, found: tensor?.shape ?? null },
      });
    }
    matched.set(name, tensor);
  }
  return matched;
}

/** @throws AppError 'argument/invalid' for no terms, 'graph/shape' for unlike shapes */
export function checkLincomb(terms: readonly (readonly [number, { readonly shape: Shape }])[]): Shape {
  const first = terms[0]?.[1].shape;
  if (!first) throw new AppError('argument/invalid', 'lincomb: needs at least one term, got none.');
  for (const [, { shape }] of terms) {
    if (!sameShape(shape, first)) {
      throw new AppError(
        'graph/shape',
        `lincomb: terms must have one shape, got ${formatShape(first)} and ${formatShape(shape)}.`,
        {
          details: { shapes: terms.map(([, term]) => term.shape) },
        },
      );
    }
  }
  return first;
}

/** The error of anything used after its `dispose`. */
export function disposedError(what: string): AppError {
  return new AppError('backend/disposed', `${what}: it must be alive to be used, got a disposed one; make it again.`, {
    details: { what },
  });
}
