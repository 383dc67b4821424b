/** Exports of the module. Every kernel is (arguments, from, to, scratch); `to` is exclusive. */
export { padFloats, quantiseInputs } from './inputs'
export {
  productBf16,
  productBytes,
  productBytesFast,
  productE2m1,
  productE2m1Fast,
  productE4m3,
  productF32,
} from './product'
