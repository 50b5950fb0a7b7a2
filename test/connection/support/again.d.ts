/* A test file that another one runs once more: by its own name, since the files of a worker share their modules. */
declare module "*.test.ts?plain";
declare module "*.test.ts?openssh";
