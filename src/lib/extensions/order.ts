/** In which order callbacks run. Pure; knows names only. */

export interface OrderWish {
  readonly name: string;
  /** Names that `name` runs before, or after. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/**
 * Registration order, moved as little as the wishes ask (depth first, so that circles end), then the user's own
 * choice in front. Names that are not registered are ignored everywhere.
 * Source: the rules of AUTOMATIC1111 stable-diffusion-webui's `metadata.ini` ([callbacks/…] Before, After) and of its
 * setting `prioritized_callbacks_…`.
 * @param registered  distinct names
 * @param first  names to the front, in this order
 */
export function orderNames(
  registered: readonly string[],
  wishes: readonly OrderWish[],
  first: readonly string[] = [],
): string[] {
  const earlier = new Map(registered.map((name): [string, string[]] => [name, []]));
  for (const { name, before, after } of wishes) {
    if (!earlier.has(name)) continue;
    for (const later of before) earlier.get(later)?.push(name);
    earlier.get(name)?.push(...after);
  }
  const sorted = new Set<string>();
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const other of earlier.get(name) ?? []) if (earlier.has(other)) visit(other);
    sorted.add(name);
  };
  for (const name of registered) visit(name);
  return [...new Set([...first.filter((name) => earlier.has(name)), ...sorted])];
}
