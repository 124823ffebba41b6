// Prints the operators of a .tflite file as Netron's own reader finds them.
//   node netron_reader.mjs FOLDER_OF_NETRON FILE.tflite
import * as fs from 'fs';

const [folder, file] = process.argv.slice(2);
const load = (name) => import(`${folder}/${name}.js`);
const { ModelFactory } = await load('tflite');
const { BinaryReader } = await load('flatbuffers');
const { BinaryStream } = await load('base');
const content = new Uint8Array(fs.readFileSync(file));
const model = await new ModelFactory().open({
  type: 'tflite.flatbuffers',
  value: BinaryReader.open(content),
  stream: new BinaryStream(content),
  require: load,
  metadata: async () => ({ type: (name) => ({ name }), attribute: () => null }),
});
const values = (node) => node.inputs.flatMap((argument) => argument.value);
const nodes = model.modules[0].nodes.map((node) => [
  node.type.name,
  ...values(node).map((value) => `${value.type}`),
]);
console.log(JSON.stringify(nodes));
