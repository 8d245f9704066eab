/** All tools, in the order a toolbar shows them. A new tool is one file and one line. */
import { brushTool, eraserTool } from './brush_tool';
import { ellipseTool, fillTool, lassoTool, lineTool, moveTool, pickTool, rectTool, selectRectTool } from './drag_tools';
import type { Tool } from './tool';

export const TOOLS = [
  brushTool,
  eraserTool,
  fillTool,
  lineTool,
  rectTool,
  ellipseTool,
  pickTool,
  selectRectTool,
  lassoTool,
  moveTool,
] as const satisfies readonly Tool[];

export type ToolId = (typeof TOOLS)[number]['id'];

export function toolById(id: ToolId): Tool {
  return TOOLS.find((tool) => tool.id === id) ?? brushTool;
}
