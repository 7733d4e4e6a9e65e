import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useCallback } from "preact/hooks";
import { hex64 } from "../../base/u64.ts";
import { dimZeros } from "./words.ts";

/** An address of 16 digits of which the high zeros are dimmed. */
export function Address({ value }: { readonly value: bigint }): ComponentChildren {
  const [zeros, rest] = dimZeros(hex64(value));
  return (
    <span class="address">
      <span class="zeros">{zeros}</span>
      {rest}
    </span>
  );
}

/** The size of an element, kept up to date; `ref` is given to the element. */
export function useSize(): {
  readonly ref: (element: HTMLElement | null) => void;
  readonly width: number;
  readonly height: number;
} {
  const size = useSignal({ width: 0, height: 0 });
  const ref = useCallback(
    (element: HTMLElement | null) => {
      if (element === null) return;
      const take = (): void => {
        const { clientWidth: width, clientHeight: height } = element;
        if (width !== size.peek().width || height !== size.peek().height) size.value = { width, height };
      };
      const observer = new ResizeObserver(take);
      observer.observe(element);
      take();
      return () => observer.disconnect();
    },
    [size],
  );
  return { ref, ...size.value };
}

/** A section of the page with the name that it is found by. */
export function Region({
  name,
  class: kind,
  tools,
  children,
}: {
  readonly name: string;
  readonly class: string;
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
}): ComponentChildren {
  const id = `region-${name.toLowerCase()}`;
  return (
    <section class={`region ${kind}`} aria-labelledby={id} data-region={name}>
      <div class="bar">
        <h2 id={id}>{name}</h2>
        {tools}
      </div>
      {children}
    </section>
  );
}
