/** All cases of all operators. A new operator adds its cases here; the unit tests fail while it has none. */
import { attentionCases } from './cases/attention';
import { conv2dCases } from './cases/conv2d';
import { elementwiseCases } from './cases/elementwise';
import { layoutCases } from './cases/layout';
import { linearCases } from './cases/linear';
import { normCases } from './cases/norms';
import { sequenceCases } from './cases/sequence';
import type { OpCase } from './op_case';

export const OP_CASES: readonly OpCase[] = [
  ...conv2dCases,
  ...linearCases,
  ...attentionCases,
  ...normCases,
  ...elementwiseCases,
  ...layoutCases,
  ...sequenceCases,
];
