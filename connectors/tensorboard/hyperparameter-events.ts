import { encodePluginData } from './event-encoding.js';
import { ProtoEncoder } from './proto-encoder.js';

type Value = string | number | boolean;

/** hparams.DataType: STRING 1, BOOL 2, FLOAT64 3. */
function typeOf(value: Value): number {
  return typeof value === 'string' ? 1 : typeof value === 'boolean' ? 2 : 3;
}

/** google.protobuf.Value: number_value 2, string_value 3, bool_value 4. */
function encodeValue(encoder: ProtoEncoder, value: Value): void {
  if (typeof value === 'string') encoder.string(3, value);
  else if (typeof value === 'boolean') encoder.int(4, value ? 1 : 0);
  else encoder.double(2, value);
}

/** HParamsPluginData of the hparams plugin (its api.proto and plugin_data.proto): experiment 2, session_start_info 3. */
export function encodeHyperparameters(
  values: Readonly<Record<string, Value>>,
  metrics: readonly { readonly group: string; readonly tag: string }[],
): readonly Buffer[] {
  const experiment = new ProtoEncoder().message(2, (encoder) => {
    for (const [name, value] of Object.entries(values)) {
      encoder.message(4, (info) => info.string(1, name).int(4, typeOf(value)));
    }
    for (const { group, tag } of metrics) {
      encoder.message(5, (info) =>
        info.message(1, (name) => {
          if (group !== '') name.string(1, group);
          name.string(2, tag);
        }),
      );
    }
  });
  const session = new ProtoEncoder().message(3, (encoder) => {
    for (const [name, value] of Object.entries(values)) {
      encoder.message(1, (entry) => entry.string(1, name).message(2, (inner) => encodeValue(inner, value)));
    }
    encoder.double(5, Date.now() / 1000);
  });
  return [
    encodePluginData('_hparams_/experiment', 'hparams', experiment.finish()),
    encodePluginData('_hparams_/session_start_info', 'hparams', session.finish()),
  ];
}
