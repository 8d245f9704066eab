/** Comments: `#` to the end of the line, also in the middle of a line and also in `#ff0000`. */

/** Removes comments; a removed comment leaves a newline. */
export function stripComments(text: string): string {
  return text.replace(/(?:^|\n)#[^\n]*(?:\n|$)/g, '\n').replace(/#[^\n]*(?:\n|$)/g, '\n');
}
