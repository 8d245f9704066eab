import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StepGate } from '../../../src/lib/rpc/step_gate';

/** Whether a promise is settled after everything that is due now ran. */
async function passed(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await vi.advanceTimersByTimeAsync(0);
  return done;
}

describe('StepGate', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('lets steps through while it is open, and again after it was held', async () => {
    const gate = new StepGate();
    expect(await passed(gate.pass())).toBe(true);
    gate.set(true);
    const step = gate.pass();
    expect(await passed(step)).toBe(false);
    gate.set(false);
    expect(await passed(step)).toBe(true);
    expect(await passed(gate.pass())).toBe(true);
  });

  it('takes a step a second under a hold that does not end', async () => {
    const gate = new StepGate();
    gate.set(true);
    const step = gate.pass();
    await vi.advanceTimersByTimeAsync(900);
    expect(await passed(step)).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(await passed(step)).toBe(true);
    expect(await passed(gate.pass())).toBe(false);
  });

  it('keeps nobody who wants to stop', async () => {
    const gate = new StepGate();
    gate.set(true);
    const abort = new AbortController();
    const step = gate.pass(abort.signal);
    expect(await passed(step)).toBe(false);
    abort.abort();
    expect(await passed(step)).toBe(true);
    expect(await passed(gate.pass(abort.signal))).toBe(true);
  });
});
