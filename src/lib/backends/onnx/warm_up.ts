/** Starts a runtime before it is wanted. */
import { encodeModel } from './onnx_proto';
import type { OnnxRuntime } from './runtime';
import { openSession } from './session';

/**
 * The WASM library compiles its 14 MB and starts its threads with the first session, about a second of two busy cores:
 * so the smallest session there is (y = x) is made before. What fails here fails again, and is told, where a session is
 * wanted.
 */
export async function warmUp(runtime: OnnxRuntime): Promise<void> {
  const value = (name: string) => ({ name, type: 'f32', shape: [1] }) as const;
  const identity = encodeModel({
    graphName: 'identity',
    nodes: [{ name: 'y', opType: 'Identity', domain: '', inputs: ['x'], outputs: ['y'], attrs: {} }],
    initializers: [],
    inputs: [value('x')],
    outputs: [value('y')],
  });
  try {
    const session = await openSession(runtime, 'warm-up', identity, [], { optimization: 'disabled', prepack: false });
    await session.release();
  } catch {
    // Told where a session is wanted.
  }
}
