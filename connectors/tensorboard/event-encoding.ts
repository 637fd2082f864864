import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Histogram } from '../../pipelines/contracts/events.js';
import { ProtoEncoder } from './proto-encoder.js';

/** tensorflow.Event: wall_time 1, step 2, file_version 3, graph_def 4, summary 5, session_log 7. */
function event(step: number): ProtoEncoder {
  const encoder = new ProtoEncoder().double(1, Date.now() / 1000);
  return step === 0 ? encoder : encoder.int(2, step);
}

export function encodeFileVersion(): Buffer {
  return new ProtoEncoder()
    .double(1, Date.now() / 1000)
    .string(3, 'brain.Event:2')
    .finish();
}

/** SessionLog.START: readers drop what they have from this step on. */
export function encodeSessionStart(step: number): Buffer {
  return event(step)
    .message(7, (log) => log.int(1, 1))
    .finish();
}

export function encodeGraph(graphDef: Uint8Array): Buffer {
  return event(0).bytes(4, graphDef).finish();
}

/** tensorflow.DataType */
export const dataTypes = { float32: 1, float64: 2, string: 7, int64: 9, bool: 10 } as const;

/** Summary.Value with a tensor: tag 1, tensor 8, metadata 9 (data_class 2: tensor). */
export function encodeTensorSummary(
  step: number,
  tag: string,
  plugin: { readonly name: string; readonly content?: Uint8Array },
  tensor: (encoder: ProtoEncoder) => void,
): Buffer {
  return event(step)
    .message(5, (summary) =>
      summary.message(1, (value) =>
        value
          .string(1, tag)
          .message(9, (metadata) =>
            metadata
              .message(1, (data) => {
                data.string(1, plugin.name);
                if (plugin.content !== undefined) data.bytes(2, plugin.content);
              })
              .int(4, 2),
          )
          .message(8, tensor),
      ),
    )
    .finish();
}

/** TensorProto.tensor_shape 2, dim 2, size 1. */
function shape(tensor: ProtoEncoder, sizes: readonly number[]): void {
  tensor.message(2, (encoder) => {
    for (const size of sizes) encoder.message(2, (dim) => dim.int(1, size));
  });
}

/** float64 [k, 3]: left edge, right edge, count. */
export function encodeHistogram(tag: string, step: number, histogram: Histogram): Buffer {
  const { left, limits, counts } = histogram;
  if (limits.length !== counts.length) {
    throw new MillraceError('INTERNAL', {
      path: `events.${tag}`,
      expected: 'as many counts as limits',
      received: `${counts.length} counts and ${limits.length} limits`,
    });
  }
  const content = Buffer.alloc(limits.length * 24);
  for (const [index, limit] of limits.entries()) {
    content.writeDoubleLE(index === 0 ? left : limits[index - 1]!, index * 24);
    content.writeDoubleLE(limit, index * 24 + 8);
    content.writeDoubleLE(counts[index]!, index * 24 + 16);
  }
  return encodeTensorSummary(step, tag, { name: 'histograms' }, (tensor) => {
    tensor.int(1, dataTypes.float64);
    shape(tensor, [limits.length, 3]);
    tensor.bytes(4, content);
  });
}

export function encodeText(tag: string, step: number, markdown: string): Buffer {
  return encodeTensorSummary(step, tag, { name: 'text' }, (tensor) => {
    tensor.int(1, dataTypes.string);
    shape(tensor, [1]);
    tensor.string(8, markdown);
  });
}

/** A plugin's message that carries no numbers: a scalar 0 stands where a tensor has to be. */
export function encodePluginData(tag: string, plugin: string, content: Uint8Array): Buffer {
  return encodeTensorSummary(0, tag, { name: plugin, content }, (tensor) => {
    tensor.int(1, dataTypes.float32);
    shape(tensor, []);
    tensor.float(5, 0);
  });
}

/** A scalar's event with everything but its numbers made ready: the path of most events. */
export class ScalarEncoder {
  readonly #tag: Buffer;
  /** Most bytes of one event. */
  readonly mostBytes: number;

  constructor(tag: string) {
    this.#tag = Buffer.from(tag, 'utf8');
    this.mostBytes = this.#tag.length + 64;
  }

  encode(target: Buffer, start: number, wallTime: number, step: number, value: number): number {
    const tagBytes = this.#tag.length;
    const valueBytes = 1 + varintBytes(tagBytes) + tagBytes + 5;
    target[start] = 0x09;
    let offset = target.writeDoubleLE(wallTime, start + 1);
    if (step !== 0) {
      target[offset++] = 0x10;
      offset = writeVarint(target, offset, step);
    }
    target[offset++] = 0x2a;
    offset = writeVarint(target, offset, 1 + varintBytes(valueBytes) + valueBytes);
    target[offset++] = 0x0a;
    offset = writeVarint(target, offset, valueBytes);
    target[offset++] = 0x0a;
    offset = writeVarint(target, offset, tagBytes);
    target.set(this.#tag, offset);
    offset += tagBytes;
    target[offset++] = 0x15;
    return target.writeFloatLE(value, offset);
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function writeVarint(target: Buffer, start: number, value: number): number {
  let offset = start;
  let rest = value;
  while (rest >= 128) {
    target[offset++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  target[offset++] = rest;
  return offset;
}
