# Run by samara_embed: one character constant for each byte, since a string literal may not be longer than 4095 characters in ISO C.
file(READ ${SOURCE} digits HEX)
string(REGEX REPLACE "(................................)" "\\1\n" lines "${digits}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1', " bytes "${lines}")
get_filename_component(name ${SOURCE} NAME)
file(WRITE ${MADE} "/* made from ${name} by cmake/embed.cmake */\nextern const char ${SYMBOL}[];\nconst char ${SYMBOL}[] = {\n    ${bytes}0};\n")
