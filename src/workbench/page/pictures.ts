import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Picture } from "../draw/renderer.ts";
import { SvgRenderer } from "../draw/svg-renderer.ts";
import { CanvasRenderer } from "./canvas-renderer.ts";
import { palette } from "./palette.ts";

/** Pictures of the page, by the names of their regions. */
export type PictureName = "Time" | "Lifetimes" | "Address" | "Minimap";

interface Shown {
  readonly canvas: HTMLCanvasElement;
  readonly picture: Picture;
}

const all = new Map<PictureName, Shown>();

/** Shows a picture on a canvas, anew whenever it or the colours of the page change. */
export function usePicture(
  name: PictureName,
  picture: Picture | undefined,
): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null);
  const renderer = useRef<{ readonly canvas: HTMLCanvasElement; readonly renderer: CanvasRenderer }>(
    undefined,
  );
  const colours = palette.value;
  useLayoutEffect(() => {
    const { current } = canvas;
    if (picture === undefined || current === null) return;
    if (renderer.current?.canvas !== current)
      renderer.current = { canvas: current, renderer: new CanvasRenderer(current) };
    renderer.current.renderer.draw(picture);
    all.set(name, { canvas: current, picture });
  }, [name, picture, colours]);
  useEffect(() => () => void all.delete(name), [name]);
  return canvas;
}

/** A picture as it is shown, as a file; undefined if there is none. */
export async function pictureFile(name: PictureName, form: "png" | "svg"): Promise<Blob | undefined> {
  const shown = all.get(name);
  if (shown === undefined) return undefined;
  const { canvas, picture } = shown;
  if (form === "svg") {
    const renderer = new SvgRenderer(palette.value);
    renderer.draw(picture);
    return new Blob([renderer.text], { type: "image/svg+xml" });
  }
  return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? undefined), "image/png"));
}
