/** All dialects, the ones that are sure of their case first. */
import { a1111 } from './a1111';
import { comfyui } from './comfyui';
import type { Dialect } from './dialect';
import { fooocus } from './fooocus';
import { invokeai } from './invokeai';
import { novelai } from './novelai';
import { swarmui } from './swarmui';

export const dialects: readonly Dialect[] = [swarmui, fooocus, invokeai, novelai, a1111, comfyui];
