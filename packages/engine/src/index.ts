/** Public surface of `engine`. */
export {}
