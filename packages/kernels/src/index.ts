/** Public surface of `kernels`. */
export {}
