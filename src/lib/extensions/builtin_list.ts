/** Extensions that ship with the product. A new one = one file in `builtin/` and one line here. */
import type { Extension } from './api';
import { seedInPrompt } from './builtin/seed_in_prompt';

export const BUILTIN_EXTENSIONS = [seedInPrompt] as const satisfies readonly Extension[];
