/**
 * The kernel ring outside browsers: self-test, operator table and every fast kernel through Dawn for Node, on whatever
 * Vulkan driver `VK_ICD_FILENAMES` names. A current Mesa lavapipe offers half precision and subgroups of 8, which the
 * browser's software adapter lacks. Prints one JSON line per case; see `dawn.test.ts`.
 */
import { runOpCase } from '../../src/lib/backends/op_cases/run_op_case';
import { OP_CASES } from '../../src/lib/backends/op_cases/table';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { WebgpuProgram } from '../../src/lib/backends/webgpu/program';
import { selfTest } from '../../src/lib/backends/webgpu/self_test';
import type { KernelVariantId } from '../../src/lib/backends/webgpu/variants';
import { VARIANT_CASES } from './kernel_tunings';
import { dawnGpu, diskKernels } from './node_kernels';

export type RingLine =
  | { readonly kind: 'device'; readonly info: Readonly<Record<string, string>> }
  | { readonly kind: 'kernel'; readonly variant: string; readonly state: string; readonly reason: string }
  | {
      readonly kind: 'case';
      readonly suite: string;
      readonly name: string;
      readonly ok: boolean;
      readonly message: string;
    };

const say = (line: RingLine) => console.log(JSON.stringify(line));
const words = process.argv.slice(2);
const slow = words.includes('--slow');
const only = words.find((word) => !word.startsWith('--'));

const gpu = await dawnGpu();
const backend = await WebgpuBackend.create({ gpu, sources: diskKernels(), guardBytes: 256 });
say({ kind: 'device', info: backend.info });
// Mesa with LLVM 15 compiles attention in half precision for a minute per head width; `--slow` waits for it.
const skip = new Set<KernelVariantId>(slow ? [] : ['attention-half']);
const { kernels } = await selfTest(backend, { skip });
for (const { variant, state, reason } of kernels) say({ kind: 'kernel', variant, state, reason });

const suites = VARIANT_CASES.filter(
  ({ variant }) => !skip.has(variant) && kernels.some((k) => k.variant === variant && k.state !== 'absent'),
);
for (const suite of suites) {
  if (only !== undefined && !suite.name.includes(only)) continue;
  backend.setTuning(suite.tuning);
  for (const opCase of OP_CASES.filter(suite.picks)) {
    const { bound } = suite;
    const widened = bound === undefined ? opCase : { ...opCase, bound: { ...opCase.bound, f32: bound } };
    const { ok, message } = await runOpCase(backend, widened, {
      checkGuards: (program, outputs) => (program as WebgpuProgram).findOverwritten(outputs),
    });
    say({ kind: 'case', suite: suite.name, name: opCase.name, ok, message });
  }
}
// Dawn keeps threads alive.
process.exit(0);
