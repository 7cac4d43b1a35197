/**
 * What is used of yaml, by name: a module of ours that is loaded late, because the bundle of a CommonJS package that is itself loaded
 * late has no names, only a default.
 */
export { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
