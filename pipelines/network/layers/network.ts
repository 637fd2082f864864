import type { Layer } from './define-layer.js';

/** Layers one after the other. */
export interface Network {
  readonly kind: 'network';
  readonly layers: readonly Layer[];
}

/**
 * A network: its layers in order, the last of them `output()`. What comes in is every input side by side,
 * float32 [batch, width].
 */
export function network(...layers: readonly Layer[]): Network {
  return Object.freeze({ kind: 'network', layers: Object.freeze([...layers]) });
}

/** A branch as layers: those of a network, or the one layer. */
export function asLayers(branch: Layer | Network): readonly Layer[] {
  return 'layers' in branch ? branch.layers : [branch];
}
