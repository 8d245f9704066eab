/**
 * Seconds since a start; processor time where it is less than the clock, because a busy machine is no fault of the code
 * under test. A wait that never ends is caught by the test's own time limit. For bounds that tell a bounded run from an
 * unbounded one, never for speed.
 */
export function stopwatch(): () => number {
  const begin = performance.now();
  const cpuBegin = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpuBegin);
    return Math.min((performance.now() - begin) / 1000, (user + system) / 1e6);
  };
}
