/**
 * Callbacks given to a worker travel over a port of their own, and neither browsers nor Node order the messages of
 * two ports: an answer could overtake the last events of its call, such as the finished picture.
 */

/**
 * A service whose methods answer, or throw, only after the other side has taken every event of that call.
 * @param service methods may take callbacks that return a promise of their delivery, as proxies of comlink do
 */
export function eventsFirst<T extends object>(service: T): T {
  return new Proxy(service, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (!isFunction(member)) return member;
      return async (...args: unknown[]): Promise<unknown> => {
        // One port delivers in order: the last event stands for those before it.
        const last: Promise<void>[] = [];
        const passed = args.map((arg, i) =>
          isFunction(arg) ? (...event: unknown[]) => void (last[i] = deliver(arg, event)) : arg,
        );
        try {
          return await member.apply(target, passed);
        } finally {
          await Promise.all(last);
        }
      };
    },
  });
}

type AnyFunction = (...args: unknown[]) => unknown;

function isFunction(value: unknown): value is AnyFunction {
  return typeof value === 'function';
}

/** What a listener throws is its own affair. */
async function deliver(listener: AnyFunction, event: readonly unknown[]): Promise<void> {
  try {
    await listener(...event);
  } catch {
    // Not the caller's.
  }
}
