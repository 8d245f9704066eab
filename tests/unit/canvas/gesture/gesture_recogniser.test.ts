import { describe, expect, it } from 'vitest';
import {
  gestureDeadline,
  IDLE_GESTURES,
  recognise,
  resetGestures,
  tickGestures,
  type GestureState,
} from '../../../../src/lib/canvas/gesture/gesture_recogniser';
import {
  DEFAULT_GESTURES,
  type GestureAction,
  type GestureSettings,
  type PointerInput,
} from '../../../../src/lib/canvas/gesture/gesture_types';

type Kind = PointerInput['pointerType'];
type Row = readonly [
  type: PointerInput['type'] | 'tick' | 'reset',
  kind: Kind,
  id: number,
  t: number,
  x: number,
  y: number,
  extra?: Partial<PointerInput> | undefined,
];

function event([type, pointerType, pointerId, t, x, y, extra]: Row): PointerInput {
  const down = type === 'down';
  const base = {
    pointerId,
    pointerType,
    t,
    x,
    y,
    pressure: 0.5,
    tiltX: 0,
    tiltY: 0,
    button: down ? 0 : -1,
    buttons: 1,
  };
  return { ...base, type: type as PointerInput['type'], ...extra };
}

function play(rows: readonly Row[], settings: Partial<GestureSettings> = {}, from: GestureState = IDLE_GESTURES) {
  const all = { ...DEFAULT_GESTURES, ...settings };
  let state = from;
  const actions: GestureAction[] = [];
  for (const row of rows) {
    const step =
      row[0] === 'tick'
        ? tickGestures(all, state, row[3])
        : row[0] === 'reset'
          ? resetGestures(state)
          : recognise(all, state, event(row));
    state = step.state;
    actions.push(...step.actions);
  }
  return { state, actions };
}

const names = (actions: readonly GestureAction[]): string =>
  actions
    .map((a) =>
      a.type === 'stroke-cancel'
        ? `cancel:${a.reason}`
        : a.type === 'stroke-begin' && a.erase
          ? 'erase-begin'
          : a.type === 'pick' && a.final
            ? 'picked'
            : a.type,
    )
    .join(' ');

const penSeen: GestureState = { ...IDLE_GESTURES, penSeen: true };

/** One finger that draws, dragged along x. */
const drag = (kind: Kind, id: number, extra?: Partial<PointerInput>): Row[] => [
  ['down', kind, id, 0, 10, 10, extra],
  ['move', kind, id, 20, 60, 10, extra],
  ['up', kind, id, 40, 60, 10, extra],
];

const finger2 = (t: number, travel = 0): Row[] => [
  ['down', 'touch', 1, 0, 100, 100],
  ['down', 'touch', 2, 20, 200, 100],
  ['move', 'touch', 1, 40, 100 + travel, 100],
  ['up', 'touch', 1, t - 10, 100 + travel, 100],
  ['up', 'touch', 2, t, 200, 100],
];

const TABLE: { name: string; rows: Row[]; want: string; settings?: Partial<GestureSettings>; from?: GestureState }[] = [
  { name: 'mouse draws', rows: drag('mouse', 1), want: 'stroke-begin stroke-move stroke-end' },
  {
    name: 'pen draws and is seen once',
    rows: [...drag('pen', 1), ...drag('pen', 2)],
    want: 'pen-seen stroke-begin stroke-move stroke-end stroke-begin stroke-move stroke-end',
  },
  {
    name: 'one finger draws until a pen was seen',
    rows: drag('touch', 1),
    want: 'stroke-begin stroke-move stroke-end',
  },
  {
    name: 'one finger pans after a pen was seen',
    rows: [
      ['down', 'touch', 1, 0, 10, 10],
      ['move', 'touch', 1, 20, 40, 10],
      ['move', 'touch', 1, 30, 50, 10],
      ['up', 'touch', 1, 40, 50, 10],
    ],
    from: penSeen,
    want: 'view',
  },
  {
    name: 'finger always draws when set so',
    rows: drag('touch', 1),
    from: penSeen,
    settings: { fingerDraws: 'always' },
    want: 'stroke-begin stroke-move stroke-end',
  },
  { name: 'finger never draws when set so', rows: drag('touch', 1), settings: { fingerDraws: 'never' }, want: '' },
  {
    name: 'a pen takes back what the palm began',
    rows: [
      ['down', 'touch', 1, 0, 300, 300],
      ['move', 'touch', 1, 10, 305, 300],
      ['down', 'pen', 9, 30, 100, 100],
      ['move', 'touch', 1, 40, 340, 300],
      ['move', 'pen', 9, 50, 120, 100],
      ['up', 'touch', 1, 60, 340, 300],
      ['up', 'pen', 9, 70, 120, 100],
    ],
    want: 'stroke-begin stroke-move pen-seen cancel:palm stroke-begin stroke-move stroke-end',
  },
  {
    name: 'a palm beside the pen moves nothing, neither then nor after the pen lifts',
    rows: [
      ['down', 'pen', 9, 0, 100, 100],
      ['down', 'touch', 1, 10, 200, 200],
      ['move', 'touch', 1, 400, 260, 200],
      ['up', 'pen', 9, 500, 100, 100],
      ['move', 'touch', 1, 600, 300, 200],
      ['move', 'touch', 1, 700, 330, 200],
    ],
    from: penSeen,
    want: 'stroke-begin stroke-end',
  },
  {
    name: 'two fingers of the free hand pan while the pen draws',
    rows: [
      ['down', 'pen', 9, 0, 400, 100],
      ['down', 'touch', 1, 10, 100, 200],
      ['down', 'touch', 2, 20, 200, 200],
      ['move', 'touch', 1, 30, 130, 200],
      ['move', 'touch', 2, 40, 230, 200],
      ['move', 'pen', 9, 50, 410, 100],
      ['up', 'touch', 1, 60, 130, 200],
      ['up', 'touch', 2, 70, 230, 200],
      ['up', 'pen', 9, 80, 410, 100],
    ],
    from: penSeen,
    want: 'stroke-begin view stroke-move stroke-end',
  },
  {
    name: 'the same on the hand side is a palm; left-handers have it on the other side',
    rows: [
      ['down', 'pen', 9, 0, 50, 100],
      ['down', 'touch', 1, 10, 100, 200],
      ['down', 'touch', 2, 20, 200, 200],
      ['move', 'touch', 1, 30, 130, 200],
      ['move', 'touch', 2, 40, 230, 200],
      ['up', 'pen', 9, 80, 50, 100],
    ],
    from: penSeen,
    want: 'stroke-begin stroke-end',
  },
  {
    name: 'left-handed: fingers to the right navigate',
    rows: [
      ['down', 'pen', 9, 0, 50, 100],
      ['down', 'touch', 1, 10, 100, 200],
      ['down', 'touch', 2, 20, 200, 200],
      ['move', 'touch', 1, 30, 130, 200],
      ['move', 'touch', 2, 40, 230, 200],
      ['up', 'pen', 9, 80, 50, 100],
    ],
    from: penSeen,
    settings: { leftHanded: true },
    want: 'stroke-begin view stroke-end',
  },
  {
    name: 'two-finger tap undoes, taking back the dot of the first finger',
    rows: finger2(200),
    want: 'stroke-begin cancel:more-fingers undo',
  },
  { name: 'two-finger tap with a pen in use', rows: finger2(200), from: penSeen, want: 'undo' },
  { name: 'too long for a tap', rows: finger2(300), from: penSeen, want: '' },
  { name: 'too far for a tap', rows: finger2(200, 13), from: penSeen, want: '' },
  { name: 'just near enough for a tap', rows: finger2(200, 12), from: penSeen, want: 'undo' },
  {
    name: 'three-finger tap redoes',
    rows: [
      ['down', 'touch', 1, 0, 100, 100],
      ['down', 'touch', 2, 20, 200, 100],
      ['down', 'touch', 3, 40, 300, 100],
      ['up', 'touch', 2, 150, 200, 100],
      ['up', 'touch', 1, 160, 100, 100],
      ['up', 'touch', 3, 170, 300, 100],
    ],
    from: penSeen,
    want: 'redo',
  },
  {
    name: 'a cancelled finger is no tap',
    rows: [
      ['down', 'touch', 1, 0, 100, 100],
      ['down', 'touch', 2, 20, 200, 100],
      ['up', 'touch', 2, 100, 200, 100],
      ['cancel', 'touch', 1, 120, 100, 100],
    ],
    from: penSeen,
    want: '',
  },
  {
    name: 'a second finger late in a stroke is ignored',
    rows: [
      ['down', 'touch', 1, 0, 10, 10],
      ['move', 'touch', 1, 100, 90, 10],
      ['down', 'touch', 2, 300, 200, 200],
      ['move', 'touch', 1, 320, 120, 10],
      ['up', 'touch', 2, 330, 200, 200],
      ['up', 'touch', 1, 340, 120, 10],
    ],
    want: 'stroke-begin stroke-move stroke-move stroke-end',
  },
  {
    name: 'pointercancel discards',
    rows: [
      ['down', 'pen', 1, 0, 1, 1],
      ['move', 'pen', 1, 5, 9, 9],
      ['cancel', 'pen', 1, 6, 9, 9],
      ['move', 'pen', 1, 7, 20, 20],
    ],
    from: penSeen,
    want: 'stroke-begin stroke-move cancel:pointer-cancel',
  },
  {
    name: 'hover is ignored',
    rows: [
      ['move', 'pen', 1, 0, 1, 1, { buttons: 0 }],
      ['move', 'mouse', 2, 1, 5, 5, { buttons: 0 }],
    ],
    want: '',
  },
  {
    name: 'eraser end by button',
    rows: drag('pen', 1, { button: 5 }),
    from: penSeen,
    want: 'erase-begin stroke-move stroke-end',
  },
  {
    name: 'eraser end by bit',
    rows: drag('pen', 1, { buttons: 32 }),
    from: penSeen,
    want: 'erase-begin stroke-move stroke-end',
  },
  { name: 'barrel button picks', rows: drag('pen', 1, { buttons: 3 }), from: penSeen, want: 'pick pick picked' },
  {
    name: 'barrel button pans when set so',
    rows: drag('pen', 1, { buttons: 3 }),
    from: penSeen,
    settings: { barrelButton: 'pan' },
    want: 'view',
  },
  {
    name: 'middle mouse button and space pan',
    rows: [...drag('mouse', 1, { button: 1 }), ...drag('mouse', 1, { panModifier: true })],
    want: 'view view',
  },
  {
    name: 'right mouse button and alt pick',
    rows: [...drag('mouse', 1, { button: 2 }), ...drag('mouse', 1, { pickModifier: true })],
    want: 'pick pick picked pick pick picked',
  },
  {
    name: 'a resting finger picks and takes its stroke back',
    rows: [
      ['down', 'touch', 1, 0, 10, 10],
      ['tick', 'touch', 1, 500, 0, 0],
      ['move', 'touch', 1, 600, 50, 50],
      ['up', 'touch', 1, 700, 50, 50],
    ],
    want: 'stroke-begin cancel:hold pick pick picked',
  },
  {
    name: 'a resting finger picks when fingers pan',
    rows: [
      ['down', 'touch', 1, 0, 10, 10],
      ['move', 'touch', 1, 510, 12, 10],
      ['up', 'touch', 1, 700, 12, 10],
    ],
    from: penSeen,
    want: 'pick pick picked',
  },
  {
    name: 'a resting pen does not pick unless set so',
    rows: [
      ['down', 'pen', 1, 0, 1, 1],
      ['tick', 'pen', 1, 900, 0, 0],
      ['up', 'pen', 1, 910, 1, 1],
    ],
    from: penSeen,
    want: 'stroke-begin stroke-end',
  },
  {
    name: 'a resting pen picks when set so',
    rows: [
      ['down', 'pen', 1, 0, 1, 1],
      ['tick', 'pen', 1, 900, 0, 0],
      ['up', 'pen', 1, 910, 1, 1],
    ],
    from: penSeen,
    settings: { holdToPick: 'touch-and-pen' },
    want: 'stroke-begin cancel:hold pick picked',
  },
  { name: 'a broad contact is a palm', rows: drag('touch', 1, { contactPx: 90 }), want: '' },
  {
    name: 'a quick pinch fits',
    rows: [
      ['down', 'touch', 1, 0, 100, 100],
      ['down', 'touch', 2, 10, 400, 100],
      ['move', 'touch', 1, 30, 120, 100],
      ['move', 'touch', 2, 60, 250, 100],
      ['up', 'touch', 2, 100, 250, 100],
      ['up', 'touch', 1, 110, 120, 100],
    ],
    from: penSeen,
    want: 'view fit',
  },
  {
    name: 'reset drops the stroke',
    rows: [
      ['down', 'mouse', 1, 0, 1, 1],
      ['reset', 'mouse', 1, 2, 0, 0],
      ['move', 'mouse', 1, 3, 9, 9],
    ],
    want: 'stroke-begin cancel:reset',
  },
  {
    name: 'events of unknown pointers are ignored',
    rows: [
      ['up', 'touch', 7, 0, 1, 1],
      ['move', 'touch', 8, 1, 1, 1],
      ['cancel', 'pen', 9, 2, 1, 1],
    ],
    want: '',
  },
];

describe('gestures', () => {
  for (const { name, rows, want, settings, from } of TABLE) {
    it(name, () => expect(names(play(rows, settings, from).actions)).toBe(want));
  }

  it('passes coalesced and predicted readings, falls back to the event itself', () => {
    const reading = (x: number) => ({ t: 1, x, y: 0, pressure: 1, tiltX: 0, tiltY: 0 });
    const { actions } = play([
      ['down', 'pen', 1, 0, 0, 0],
      ['move', 'pen', 1, 5, 30, 0, { coalesced: [reading(10), reading(20), reading(30)], predicted: [reading(40)] }],
      ['move', 'pen', 1, 9, 50, 0, { coalesced: [] }],
    ]);
    const moves = actions.filter((a) => a.type === 'stroke-move');
    expect(moves.map((m) => m.samples.map((s) => s.x))).toEqual([[10, 20, 30], [50]]);
    expect(moves[0]!.predicted.map((s) => s.x)).toEqual([40]);
  });

  it('pinches and turns about the fingers', () => {
    const { actions } = play(
      [
        ['down', 'touch', 1, 0, 100, 100],
        ['down', 'touch', 2, 10, 200, 100],
        ['move', 'touch', 2, 400, 210, 100],
        ['move', 'touch', 2, 410, 320, 100],
        ['move', 'touch', 2, 420, 100, 320],
      ],
      {},
      penSeen,
    );
    const views = actions.filter((a) => a.type === 'view');
    expect(views[0]).toMatchObject({ from: { x: 155, y: 100 }, to: { x: 210, y: 100 }, scale: 2, rotateRad: 0 });
    expect(views[1]!.rotateRad).toBeCloseTo(Math.PI / 2);
    expect(views[1]!.scale).toBeCloseTo(1);
  });

  it('tells when it waits for time, and on which side the loupe goes', () => {
    const { state } = play([['down', 'touch', 1, 100, 10, 10]]);
    expect(gestureDeadline(DEFAULT_GESTURES, state)).toBe(600);
    expect(gestureDeadline({ ...DEFAULT_GESTURES, holdToPick: 'off' }, state)).toBeUndefined();
    const left = play(drag('mouse', 1, { button: 2 }), { leftHanded: true }).actions[0];
    expect(left).toMatchObject({ type: 'pick', loupe: 'right' });
  });
});
