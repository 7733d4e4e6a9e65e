/** Pixels that a pointer moves before it selects. */
const DRAG = 4;

/** Where on a picture the pointer is, in pixels from its corner. */
export interface Spot {
  readonly x: number;
  readonly y: number;
}

/** What a pointer does on a picture. */
export interface BrushActions {
  /** It was pressed and let go at one place, or dragged the playhead here. */
  go(spot: Spot): void;
  /** It was dragged from one corner to the other; called again as it moves. */
  select(from: Spot, to: Spot): void;
}

/** Follows a pointer that was pressed: a click goes there, a drag selects, and one that begins at the playhead moves that. */
export function brush(
  event: PointerEvent & { readonly currentTarget: HTMLElement },
  does: BrushActions,
): void {
  if (event.button !== 0) return;
  const box = event.currentTarget;
  const { left, top, width, height } = box.getBoundingClientRect();
  const spotOf = ({ clientX, clientY }: PointerEvent): Spot => ({
    x: Math.max(0, Math.min(width, clientX - left)),
    y: Math.max(0, Math.min(height, clientY - top)),
  });
  const start = spotOf(event);
  const isPlayhead = (event.target as HTMLElement).closest(".playhead") !== null;
  let isDrag = false;
  box.setPointerCapture(event.pointerId);
  const move = (moved: PointerEvent): void => {
    const { x, y } = spotOf(moved);
    isDrag ||= Math.abs(x - start.x) > DRAG || Math.abs(y - start.y) > DRAG;
    if (!isDrag) return;
    if (isPlayhead) does.go({ x, y });
    else {
      const from = { x: Math.min(start.x, x), y: Math.min(start.y, y) };
      does.select(from, { x: Math.max(start.x, x), y: Math.max(start.y, y) });
    }
  };
  const end = (ended: PointerEvent): void => {
    box.removeEventListener("pointermove", move);
    box.removeEventListener("pointerup", end);
    box.removeEventListener("pointercancel", end);
    if (!isDrag && ended.type === "pointerup") does.go(spotOf(ended));
  };
  box.addEventListener("pointermove", move);
  box.addEventListener("pointerup", end);
  box.addEventListener("pointercancel", end);
}
