/** What an axis of a plot is: how its values are written, and what each does to a request. */
import { AppError } from '../base/errors';
import type { GenerateRequest, PlotStyle } from '../rpc/engine';
import { numbers, permutations, splitList, MAX_AXIS_VALUES } from './values';

export type AxisValue = number | string | boolean | readonly string[];

/** How values are written; the page chooses its control by this. */
export type AxisKind = 'whole' | 'number' | 'text' | 'choice' | 'yesNo' | 'size' | 'order';

/** Lists that only the host knows: models of the store, upscalers, adapters, autoencoders, the user's styles. */
export type AxisSource = 'models' | 'upscalers' | 'loras' | 'vaes' | 'styles';

/** Parts of a request without which an axis does nothing. */
export type AxisNeed = 'init' | 'inpaint' | 'hires' | 'refiner' | 'strength' | 'control' | 'soft';

export interface PlotAxis<Id extends string = string> {
  readonly id: Id;
  /** As in the infotext (`X Type`), the web UIs' word where they have one. */
  readonly label: string;
  /** The entry of generation parameters that it varies, where that has another name. */
  readonly entry?: string;
  readonly kind: AxisKind;
  /** What a menu can offer. */
  readonly choices?: readonly string[] | AxisSource;
  /** Share of a model load that a change costs, 0..1; the dearest axis changes least often. */
  readonly cost: number;
  readonly needs?: AxisNeed;
  /** Random values are drawn once: -1 becomes a number that the infotext names. */
  readonly random?: true;
  /**
   * @param all  every value of the axis
   * @param styles  what the plot's request brings of them
   * @throws AppError 'argument/invalid' where a value makes no sense
   */
  apply(
    request: GenerateRequest,
    value: AxisValue,
    all: readonly AxisValue[],
    styles?: readonly PlotStyle[],
  ): GenerateRequest;
}

type Numeric<Id extends string> = Omit<PlotAxis<Id>, 'kind' | 'apply' | 'cost'> & {
  readonly whole?: boolean;
  readonly cost?: number;
  readonly set: (request: GenerateRequest, value: number) => GenerateRequest;
};

export function numberAxis<const Id extends string>({ whole = false, set, ...axis }: Numeric<Id>): PlotAxis<Id> {
  return { cost: 0, ...axis, kind: whole ? 'whole' : 'number', apply: (request, value) => set(request, Number(value)) };
}

type Textual<Id extends string> = Omit<PlotAxis<Id>, 'kind' | 'apply' | 'cost'> & {
  readonly cost?: number;
  readonly set: (request: GenerateRequest, value: string, all: readonly string[]) => GenerateRequest;
};

/** Names from a menu, or free texts where there is none. */
export function textAxis<const Id extends string>({ set, ...axis }: Textual<Id>): PlotAxis<Id> {
  return {
    cost: 0,
    ...axis,
    kind: axis.choices ? 'choice' : 'text',
    apply: (request, value, all) => set(request, String(value), all.map(String)),
  };
}

export function yesNoAxis<const Id extends string>(
  axis: Pick<PlotAxis<Id>, 'id' | 'label' | 'entry' | 'needs'> & {
    readonly set: (request: GenerateRequest, value: boolean) => GenerateRequest;
  },
): PlotAxis<Id> {
  const { set, ...rest } = axis;
  return { ...rest, cost: 0, kind: 'yesNo', apply: (request, value) => set(request, value === true) };
}

type Sized<Id extends string> = Omit<PlotAxis<Id>, 'kind' | 'apply' | 'cost'> & {
  readonly cost?: number;
  readonly set: (request: GenerateRequest, size: { widthPx: number; heightPx: number }) => GenerateRequest;
};

/** Sizes as `512x768`. */
export function sizeAxis<const Id extends string>({ set, ...axis }: Sized<Id>): PlotAxis<Id> {
  return {
    cost: 0,
    ...axis,
    kind: 'size',
    apply(request, value) {
      const [widthPx = 0, heightPx = 0] = String(value).split('x').map(Number);
      return set(request, { widthPx, heightPx });
    },
  };
}

const YES = new Set(['true', 'yes', 'y', '1', 'on']);
const NO = new Set(['false', 'no', 'n', '0', 'off']);

/**
 * The values of an axis.
 * @throws AppError 'argument/invalid' for an empty list, more than 200 values, or an entry that is none
 */
export function readAxisValues(axis: PlotAxis, text: string): AxisValue[] {
  const values = readKind(axis, text);
  if (values.length === 0 || values.length > MAX_AXIS_VALUES) {
    throw new AppError(
      'argument/invalid',
      `plot axis ${axis.label}: needs 1 to ${MAX_AXIS_VALUES} values, got ${values.length}.`,
      { details: { axis: axis.id, values: values.length } },
    );
  }
  return values;
}

function readKind(axis: PlotAxis, text: string): AxisValue[] {
  switch (axis.kind) {
    case 'whole':
      return numbers(text, { whole: true });
    case 'number':
      return numbers(text, { whole: false });
    case 'order':
      return permutations(splitList(text));
    case 'text':
      return splitList(text);
    case 'choice':
      return splitList(text).filter((value) => value !== '');
    case 'size':
      return splitList(text).map((value) => sizeText(axis, value));
    case 'yesNo':
      return splitList(text).map((value) => {
        const word = value.toLowerCase();
        if (YES.has(word) || NO.has(word)) return YES.has(word);
        throw new AppError('argument/invalid', `plot axis ${axis.label}: must be yes or no, got "${value}".`);
      });
  }
}

function sizeText(axis: PlotAxis, value: string): string {
  const match = /^(\d+)\s*[x×]\s*(\d+)$/i.exec(value);
  if (match) return `${match[1]}x${match[2]}`;
  throw new AppError('argument/invalid', `plot axis ${axis.label}: must be a size like 512x768, got "${value}".`);
}

/** A value as a label shows it. */
export function valueText(value: AxisValue): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return String(Number(value.toFixed(8)));
  return typeof value === 'string' ? value : value.join(', ');
}
