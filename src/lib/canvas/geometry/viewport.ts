/**
 * The view of a document: pan, zoom, rotation and mirroring as one immutable value.
 * Screen units are CSS pixels relative to the canvas element; document units are pixels.
 */
import { applyAffine, invertAffine, transformBounds, type Affine } from './affine';
import { intersectRect, roundOutRect, type Point, type Rect } from './rect';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Viewport {
  /** Screen position of the document's origin. */
  readonly panX: number;
  readonly panY: number;
  /** Screen pixels per document pixel, within `ZOOM_MIN`..`ZOOM_MAX`. */
  readonly zoom: number;
  /** Clockwise, in (-π, π]. */
  readonly rotationRad: number;
  /** Document flipped left to right, as painters do to judge a drawing. */
  readonly mirrored: boolean;
}

export const ZOOM_MIN = 1 / 32;
export const ZOOM_MAX = 64;
/** So much of the document stays on screen, in CSS pixels, whatever the pan. */
const KEEP_VISIBLE_PX = 48;

export const DEFAULT_VIEWPORT: Viewport = { panX: 0, panY: 0, zoom: 1, rotationRad: 0, mirrored: false };

/** Document → screen. */
export function viewMatrix(view: Viewport): Affine {
  const cos = Math.cos(view.rotationRad) * view.zoom;
  const sin = Math.sin(view.rotationRad) * view.zoom;
  const flip = view.mirrored ? -1 : 1;
  return { a: cos * flip, b: sin * flip, c: -sin, d: cos, e: view.panX, f: view.panY };
}

export function documentToScreen(view: Viewport, point: Point): Point {
  return applyAffine(viewMatrix(view), point);
}

export function screenToDocument(view: Viewport, point: Point): Point {
  return applyAffine(invertAffine(viewMatrix(view)), point);
}

export function panBy(view: Viewport, dx: number, dy: number): Viewport {
  return { ...view, panX: view.panX + dx, panY: view.panY + dy };
}

/** One step of a pinch: the document point under `from` moves under `to`, zoom and rotation change about it. */
export function pinchView(
  view: Viewport,
  pinch: { from: Point; to: Point; scale: number; rotateRad: number },
): Viewport {
  const anchor = screenToDocument(view, pinch.from);
  const turned: Viewport = {
    ...view,
    zoom: clampZoom(view.zoom * pinch.scale),
    rotationRad: wrapAngle(view.rotationRad + pinch.rotateRad),
  };
  const landed = documentToScreen(turned, anchor);
  return panBy(turned, pinch.to.x - landed.x, pinch.to.y - landed.y);
}

/** Multiplies the zoom, keeping the document point under `at` in place. */
export function zoomAt(view: Viewport, at: Point, scale: number): Viewport {
  return pinchView(view, { from: at, to: at, scale, rotateRad: 0 });
}

/** Turns about a screen point. */
export function rotateAt(view: Viewport, at: Point, rotateRad: number): Viewport {
  return pinchView(view, { from: at, to: at, scale: 1, rotateRad });
}

/** Flips left to right about a screen point. */
export function mirrorAt(view: Viewport, at: Point): Viewport {
  const anchor = screenToDocument(view, at);
  const flipped = { ...view, mirrored: !view.mirrored };
  const landed = documentToScreen(flipped, anchor);
  return panBy(flipped, at.x - landed.x, at.y - landed.y);
}

/** Upright view with the whole document centred, `marginPx` of screen left on each side. */
export function fitView(document: Size, screen: Size, marginPx = 16): Viewport {
  const zoom = clampZoom(
    Math.min(
      Math.max(1, screen.width - 2 * marginPx) / document.width,
      Math.max(1, screen.height - 2 * marginPx) / document.height,
    ),
  );
  return {
    panX: (screen.width - document.width * zoom) / 2,
    panY: (screen.height - document.height * zoom) / 2,
    zoom,
    rotationRad: 0,
    mirrored: false,
  };
}

/** Pulls a view back so that a strip of the document stays on screen. */
export function limitView(view: Viewport, document: Size, screen: Size): Viewport {
  const box = transformBounds(viewMatrix(view), { x: 0, y: 0, ...document });
  const keepX = Math.min(KEEP_VISIBLE_PX, box.width, screen.width);
  const keepY = Math.min(KEEP_VISIBLE_PX, box.height, screen.height);
  const dx = Math.max(0, keepX - (box.x + box.width)) - Math.max(0, box.x + keepX - screen.width);
  const dy = Math.max(0, keepY - (box.y + box.height)) - Math.max(0, box.y + keepY - screen.height);
  return dx === 0 && dy === 0 ? view : panBy(view, dx, dy);
}

/** Whole-pixel part of the document that the screen shows. */
export function visibleDocumentRect(view: Viewport, document: Size, screen: Size): Rect {
  const box = transformBounds(invertAffine(viewMatrix(view)), { x: 0, y: 0, ...screen });
  return intersectRect(roundOutRect(box), { x: 0, y: 0, ...document });
}

function clampZoom(zoom: number): number {
  return Number.isFinite(zoom) ? Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, zoom)) : 1;
}

function wrapAngle(radians: number): number {
  const turns = Math.round(radians / (2 * Math.PI));
  return radians - turns * 2 * Math.PI;
}
