import type { ComponentChildren } from "preact";
import { PANELS, type PanelName, panelSize } from "../maths/panel-sizes.ts";
import { bench } from "./state.ts";

/** Pixels of one press of an arrow key. */
const STEP = 16;

/**
 * What lies between two panels: dragging it, or the arrow keys on it, gives the one before or after it more room. Enter or a
 * double click lets the page choose again.
 */
export function Splitter({
  panel: name,
  label,
  across = false,
  after = false,
  inside = false,
}: {
  readonly panel: PanelName;
  readonly label: string;
  /** Its panels stand side by side. */
  readonly across?: boolean;
  /** The panel stands after it. */
  readonly after?: boolean;
  /** It stands in the panel, at its edge. */
  readonly inside?: boolean;
}): ComponentChildren {
  const panel = PANELS[name];
  const size = bench.sizes.value[name];
  const set = (value: number): void => {
    bench.sizes.value = { ...bench.sizes.value, [name]: panelSize(panel, value) };
  };
  const reset = (): void => {
    const { [name]: _size, ...rest } = bench.sizes.value;
    bench.sizes.value = rest;
  };
  const sizeOf = (element: Element): number => {
    const beside = after ? element.nextElementSibling : element.previousElementSibling;
    const { width = 0, height = 0 } =
      (inside ? element.parentElement : beside)?.getBoundingClientRect() ?? {};
    return across ? width : height;
  };
  const sign = after ? -1 : 1;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a line between panels that is moved is no <hr>
    <div
      class={["splitter", across ? "across" : "", inside ? "inside" : ""].join(" ")}
      role="separator"
      tabIndex={0}
      aria-label={`size of ${label}`}
      aria-orientation={across ? "vertical" : "horizontal"}
      aria-valuemin={panel.least}
      aria-valuemax={panel.most}
      aria-valuenow={size ?? panel.least}
      aria-valuetext={size === undefined ? "as the page has it" : `${size} pixels`}
      onDblClick={reset}
      onKeyDown={(event) => {
        const less = across ? "ArrowLeft" : "ArrowUp";
        const more = across ? "ArrowRight" : "ArrowDown";
        if (event.key === less) set(sizeOf(event.currentTarget) - sign * STEP);
        else if (event.key === more) set(sizeOf(event.currentTarget) + sign * STEP);
        else if (event.key === "Enter") reset();
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
      onPointerDown={(event) => {
        const line = event.currentTarget;
        const [was, from] = [sizeOf(line), across ? event.clientX : event.clientY];
        line.setPointerCapture(event.pointerId);
        const move = (moved: PointerEvent): void =>
          set(was + sign * ((across ? moved.clientX : moved.clientY) - from));
        line.addEventListener("pointermove", move);
        line.addEventListener("lostpointercapture", () => line.removeEventListener("pointermove", move), {
          once: true,
        });
      }}
    />
  );
}
