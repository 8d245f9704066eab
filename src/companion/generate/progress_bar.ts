/** Steps of a job on the terminal. */
import type { JobEvent } from '../../lib/rpc/engine';

export function progressBar(quiet: boolean): { show: (event: JobEvent) => void; end: () => void } {
  const live = process.stderr.isTTY && !quiet;
  return {
    show(event) {
      if (event.kind === 'notice') console.error(`note: ${event.message}`);
      if (event.kind !== 'step' || quiet) return;
      const { step, steps, batch, batches, remainingMs } = event;
      const width = 30;
      const filled = Math.round((width * step) / steps);
      const eta = remainingMs === undefined ? '' : `  ${(remainingMs / 1000).toFixed(1)} s left`;
      const many = batches > 1 ? `batch ${batch + 1}/${batches}  ` : '';
      const line = `${many}${'#'.repeat(filled)}${'.'.repeat(width - filled)} ${step}/${steps}${eta}`;
      if (live) process.stderr.write(`\r${line.padEnd(78)}`);
      else if (step === steps) console.error(line);
    },
    end: () => void (live && process.stderr.write('\n')),
  };
}
