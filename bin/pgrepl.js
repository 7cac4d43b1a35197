#!/usr/bin/env node
'use strict';
// The shim: says what is wrong with an old Node before anything is loaded that an old Node cannot read.
var version = process.versions.node.split('.').map(Number);
if (version[0] < 20 || (version[0] === 20 && version[1] < 12)) {
  process.stderr.write('✖ pgrepl needs Node.js 20.12 or newer, and this is ' + process.versions.node + '\n');
  process.exit(2);
}

require('../dist/start.cjs').start(process.argv.slice(2), process.env, function (atExit) {
  process.on('exit', atExit);
});
