/** A builder as a program without types calls it. */
export const untyped = <F extends (...values: never[]) => unknown>(builder: F) =>
  builder as unknown as (...values: unknown[]) => unknown;
