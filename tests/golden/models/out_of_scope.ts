/** Families of the golden folder that the product does not run (yet), with the reason. A family outside this table fails. */
export const OUT_OF_SCOPE: Readonly<Record<string, string>> = {};
