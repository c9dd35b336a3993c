# Read by CMake right after llama.cpp's own `project()`.
#
# Its library `common` (arguments, chat templates, parsers of answers) serves its programs alone. The Python
# binding turns it on and never loads it; without it two fifths of the compilation go.
set(LLAMA_BUILD_COMMON OFF)
