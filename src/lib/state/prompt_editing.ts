/** Keys of prompt fields, as users of the web UIs know them: weights and moving elements. Pure. */
import { changeWeight, moveElement, type FieldState } from '../prompt/autocomplete';

/** The field after a key, or undefined when the key means nothing here. */
export function promptKey(
  event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>,
  field: FieldState,
): FieldState | undefined {
  const command = event.ctrlKey || event.metaKey;
  const direction = event.key === 'ArrowUp' || event.key === 'ArrowRight' ? 1 : -1;
  if (command && !event.altKey && ['ArrowUp', 'ArrowDown'].includes(event.key)) return changeWeight(field, direction);
  if (event.altKey && !command && ['ArrowLeft', 'ArrowRight'].includes(event.key)) return moveElement(field, direction);
  return undefined;
}
