export const PICTURES = {};
