# samara_embed(TARGET FILE SYMBOL): the text of FILE as `const char SYMBOL[]`, compiled into TARGET; declare it with
# `extern const char SYMBOL[];`. The .c file is made in the build folder and again when FILE changes.
set(SAMARA_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake)

function(samara_embed target file symbol)
  get_filename_component(source ${file} ABSOLUTE)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.c)
  add_custom_command(
    OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${source} -DMADE=${made} -DSYMBOL=${symbol} -P ${SAMARA_EMBED_SCRIPT}
    DEPENDS ${source} ${SAMARA_EMBED_SCRIPT}
    COMMENT "Embedding ${file}"
    VERBATIM)
  target_sources(${target} PRIVATE ${made})
endfunction()
